"""The command line explains itself, and its exit statuses tell programs what happened."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from app.cli import main
from app.errors import (
    AppError,
    ConfigurationError,
    Fault,
    InvalidInputError,
    MigrationError,
    SourceError,
    StoreBusyError,
)


def every_command() -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    waiting: list[tuple[str, Any]] = [("chatfold", get_command(main.command))]
    while waiting:
        path, command = waiting.pop()
        assert isinstance(command, TyperCommand | TyperGroup)
        yield path, command
        if isinstance(command, TyperGroup):
            waiting += [(f"{path} {name}", inner) for name, inner in command.commands.items()]


def test_every_command_has_help() -> None:
    silent = [path for path, command in every_command() if not command.help]

    assert silent == []


def test_every_option_and_argument_has_help() -> None:
    silent = [
        f"{path} {parameter.name}"
        for path, command in every_command()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]

    assert silent == []


def test_what_an_operator_does_is_a_command() -> None:
    paths = {path for path, _ in every_command()}

    assert paths >= {
        "chatfold serve",
        "chatfold migrate group-messages plan",
        "chatfold migrate group-messages run",
        "chatfold migrate group-messages verify",
        "chatfold store copy",
        "chatfold store init",
        "chatfold store shard",
    }


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == "chatfold 0.1.0\n"


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["serve", "--bogus"], ["serve", "--port", "eighty"], ["serve", "x"]]
)
def test_a_wrong_command_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("A setting is wrong."), 2),
        (InvalidInputError(Fault("limit", "must be a number")), 2),
        (StoreBusyError("Another process holds the store."), 3),
        (SourceError("The source cannot be read."), 3),
        (MigrationError("The migration stopped."), 3),
    ],
)
def test_an_error_is_one_line_and_its_status(
    error: AppError,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(main, "command", command_that_raises(error))

    with pytest.raises(SystemExit) as ended:
        main.run([])

    assert ended.value.code == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"chatfold: {error}\n"


def test_a_mistake_of_ours_is_a_failure_with_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "command", command_that_raises(ZeroDivisionError("ours")))

    with pytest.raises(SystemExit) as ended:
        main.run([])

    assert ended.value.code == 3
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


def command_that_raises(error: Exception) -> typer.Typer:
    command = typer.Typer(pretty_exceptions_enable=False)

    @command.command()
    def fail() -> None:
        raise error

    return command
