"""The engines that speak MongoDB's protocol: fetched and built once, into a cache folder.

`python -m tests.engines.building` makes what is missing; `make test-mongo` begins with it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

SOURCES = Path(__file__).resolve().parent
CACHE_VARIABLE = "CHATFOLD_ENGINES_CACHE"
_DEFAULT_CACHE = SOURCES.parents[1] / ".cache" / "engines"


class EngineError(Exception):
    """An engine cannot be built or does not start; the sentence says why."""


class Recipe(NamedTuple):
    """How an engine is made, and what starts it; the data's folder follows the command."""

    folder: str
    """Of its sources, beside this file."""
    tools: dict[str, str]
    """The programs that are needed, and where each comes from."""
    build: Callable[[Path, Path], None]
    """From the sources into an empty folder."""
    command: Callable[[Path], list[str]]
    environment: Mapping[str, str] = MappingProxyType({})
    """What it is started with, beside all that we were started with."""


def _build_ferretdb(sources: Path, target: Path) -> None:
    _run(["go", "build", "-mod=readonly", "-trimpath", "-o", str(target / "engine"), "."], sources)


def _build_java(sources: Path, target: Path) -> None:
    jars = target / "jars"
    fetch = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    _run(["mvn", "--quiet", "--batch-mode", *fetch], sources)
    check_jars(jars, (sources / "jars.sha256").read_text(encoding="utf-8"))
    _run(["javac", "-cp", f"{jars}/*", "-d", str(target / "classes"), "Engine.java"], sources)


def check_jars(jars: Path, locked: str) -> None:
    """Maven knows no lock file: what it brought must be what was looked at."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in jars.iterdir()}
    lines = (line.split() for line in locked.splitlines())
    if found != {name: digest for digest, name in lines}:
        raise EngineError("What Maven fetched is not what tests/engines/java/jars.sha256 lists.")


_JAVA_OPTIONS = [
    "-XX:+UseSerialGC",  # one engine per test process: many small ones, not one large
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]

RECIPES = {
    "ferretdb": Recipe(
        folder="ferretdb",
        tools={"go": "Go 1.24 or newer (https://go.dev)"},
        build=_build_ferretdb,
        command=lambda built: [str(built / "engine")],
        # Its heap is small and its waste is not: half of its time went into collecting that.
        environment={"GOGC": "1600", "GOMEMLIMIT": "1GiB"},
    ),
    "java": Recipe(
        folder="java",
        tools={
            "javac": "a Java development kit, 17 or newer",
            "mvn": "Apache Maven (https://maven.apache.org)",
        },
        build=_build_java,
        command=lambda built: [
            *("java", *_JAVA_OPTIONS, "-cp", f"{built}/jars/*:{built}/classes", "Engine")
        ],
    ),
}


def built_command(name: str) -> list[str]:
    """What starts the engine, built now if its sources were never built as they are.

    Raises:
        EngineError: it cannot be built here.
    """
    recipe = RECIPES[name]
    cache = Path(os.environ.get(CACHE_VARIABLE) or _DEFAULT_CACHE).absolute()
    cache.mkdir(parents=True, exist_ok=True)
    built = cache / f"{name}-{_digest(SOURCES / recipe.folder)}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes beside each other want the same
        if not built.exists():
            _build(name, recipe, built)
    return recipe.command(built)


def _build(name: str, recipe: Recipe, built: Path) -> None:
    for tool, source in recipe.tools.items():
        if shutil.which(tool) is None:
            raise EngineError(f"The engine {name} needs {tool} to be built: install {source}.")
    sys.stderr.write(f"building the engine {name}\n")
    partial = built.with_name(built.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    recipe.build(SOURCES / recipe.folder, partial)
    partial.rename(built)


def _digest(folder: Path) -> str:
    content = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        content.update(f"{path.name} {path.stat().st_size}\n".encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(  # noqa: S603 - a command of our own
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise EngineError(f"{' '.join(command[:2])} failed:\n{said}")


def main() -> None:
    """Build all engines, or those that are named."""
    try:
        for name in sys.argv[1:] or RECIPES:
            built_command(name)
    except EngineError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
