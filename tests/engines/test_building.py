"""Engines are built from locked sources, and where something is missing a sentence says so."""

from pathlib import Path

import pytest

from tests.engines.building import (
    CACHE_VARIABLE,
    RECIPES,
    SOURCES,
    EngineError,
    built_command,
    check_jars,
)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "ferretdb",
            "The engine ferretdb needs go to be built: install Go 1.24 or newer (https://go.dev).",
        ),
        (
            "java",
            "The engine java needs javac to be built: install a Java development kit, 17 or newer.",
        ),
    ],
)
def test_a_missing_tool_is_named(
    name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineError) as refused:
        built_command(name)

    assert str(refused.value) == sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.lock"]


def test_jars_that_are_not_the_locked_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "some.jar").write_bytes(b"other")

    with pytest.raises(EngineError, match="is not what"):
        check_jars(tmp_path, "0" * 64 + "  some.jar\n")


def test_the_versions_of_the_engines_are_pinned() -> None:
    ferretdb = (SOURCES / "ferretdb" / "go.mod").read_text(encoding="utf-8")
    java = (SOURCES / "java" / "jars.sha256").read_text(encoding="utf-8")

    assert list(RECIPES) == ["ferretdb", "java"]
    assert "require github.com/FerretDB/FerretDB v1.24.2\n" in ferretdb
    assert "  mongo-java-server-core-1.47.0.jar\n" in java
