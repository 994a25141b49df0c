"""Engines at work: one of each per test process, from when it is first asked for to the end."""

import atexit
import os
import select
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from tests.engines.building import RECIPES, EngineError, built_command

_START_SECONDS = 30
_STOP_SECONDS = 10


class Engine(NamedTuple):
    """A running engine; it ends when its standard input does, so that it never outlives us."""

    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        """`kill -9`: nothing can be finished or flushed."""
        self.process.kill()
        self._gone()

    def stop(self) -> None:
        """Let it end by itself, or else make it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._gone()

    def _gone(self) -> None:
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def url_of(name: str) -> str:
    """The URL of this process's engine of this name.

    Raises:
        EngineError: it cannot be built or does not start.
    """
    found = _started(name)
    if isinstance(found, EngineError):
        raise found
    return found.url


@cache  # failures too: each further test would wait for as long
def _started(name: str) -> Engine | EngineError:
    folder = tempfile.TemporaryDirectory(prefix=f"chatfold-{name}-")
    atexit.register(folder.cleanup)
    try:
        engine = start(name, Path(folder.name))
    except EngineError as error:
        return error
    atexit.register(engine.stop)
    return engine


def start(name: str, folder: Path, *, is_in_memory: bool = False) -> Engine:
    """Start an engine on the data in a folder, on a free port of the loopback.

    Only `java` can keep its data in memory.

    Raises:
        EngineError: it cannot be built or does not start; its log is in the message.
    """
    data = folder / "data"
    data.mkdir(exist_ok=True)
    log = folder / "engine.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603 - a command of our own
            [*built_command(name), "-" if is_in_memory else str(data)],
            env={**os.environ, **RECIPES[name].environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # an interrupt from the keyboard is for the tests
        )
    assert process.stdout is not None
    line = _first_line(process.stdout)
    engine = Engine(process, line)
    if not line.startswith("mongodb://"):
        engine.kill()
        said = log.read_text(encoding="utf-8", errors="replace")
        raise EngineError(f"The engine {name} did not start. It said: {line}{said}")
    return engine


def _first_line(output: IO[str]) -> str:
    """The line in which an engine, once it listens, says where; empty when it says none in time."""
    ready, _, _ = select.select([output], [], [], _START_SECONDS)
    return output.readline().strip() if ready else ""
