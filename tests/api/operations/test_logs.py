"""Logs: one JSON object per line, whatever is in it."""

import json
import logging
import logging.config
import sys
from typing import Any

import pytest

from app.api.logs import JSONFormatter, current_request_id, logging_configuration


def line_of(message: str, *arguments: Any, exc_info: Any = None, **extra: Any) -> dict[str, Any]:
    record = logging.makeLogRecord(
        {
            "name": "app.test",
            "levelname": "WARNING",
            "msg": message,
            "args": arguments,
            "exc_info": exc_info,
            "created": 1767323045.6789,
            **extra,
        }
    )
    line = JSONFormatter().format(record)
    assert "\n" not in line
    assert line.isascii()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_a_line_says_when_how_grave_who_and_what() -> None:
    assert line_of("%d of %s", 3, "four", path="/x") == {
        "time": "2026-01-02T03:04:05.678Z",
        "level": "warning",
        "logger": "app.test",
        "message": "3 of four",
        "path": "/x",
    }


def test_a_line_during_a_request_carries_its_id() -> None:
    token = current_request_id.set("trace-1")

    line = line_of("said")

    current_request_id.reset(token)
    assert line["request_id"] == "trace-1"


def test_what_a_caller_sends_cannot_break_a_line() -> None:
    line = line_of("%s", 'a"\n\x1b[31m\u2028\ud800', path=object)

    assert line["message"] == 'a"\n\x1b[31m\u2028\ud800'
    assert line["path"] == "<class 'object'>"


def test_an_exception_is_told_as_text() -> None:
    try:
        raise ValueError("broken")  # noqa: TRY301 - a traceback is what is wanted
    except ValueError:
        line = line_of("failed", exc_info=sys.exc_info())

    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("ValueError: broken")


def test_what_uvicorn_says_is_a_line_on_standard_error_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    logging.config.dictConfig(logging_configuration("info"))

    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1m"})
    logging.getLogger("uvicorn.error").debug("Details")

    root.setLevel(before[0])
    root.handlers[:] = before[1]
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert json.loads(line)["message"] == "Started"
    assert "color_message" not in line
