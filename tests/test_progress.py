"""Progress is told with rate and remaining time: as a bar, as lines, or to nobody."""

import io
import json
from collections.abc import Iterator

from rich.console import Console

from app.progress import LinesProgress, SilentProgress, TerminalProgress


def seconds(*values: float) -> Iterator[float]:
    yield from values


def test_lines_tell_rate_and_remaining_time() -> None:
    out = io.StringIO()
    clock = seconds(100.0, 100.0, 110.0, 110.0)
    progress = LinesProgress(out, lambda: next(clock))

    progress.begin("reading", 4000)
    progress.advance(1000, 50)

    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {
            "phase": "reading",
            "done": 0,
            "total": 4000,
            "records": 0,
            "records_per_second": None,
            "remaining_seconds": None,
        },
        {
            "phase": "reading",
            "done": 1000,
            "total": 4000,
            "records": 50,
            "records_per_second": 5,
            "remaining_seconds": 30.0,
        },
    ]


def test_lines_come_at_most_once_a_second() -> None:
    out = io.StringIO()
    clock = seconds(100.0, 100.0, 100.2, 100.9, 101.0, 101.0, 101.5)
    progress = LinesProgress(out, lambda: next(clock))

    progress.begin("reading", None)
    for done in range(4):
        progress.advance(done, done)

    assert [json.loads(line)["done"] for line in out.getvalue().splitlines()] == [0, 2]


def test_a_terminal_shows_each_phase_with_its_records() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)

    with TerminalProgress(console) as progress:
        progress.begin("reading", 1000)
        progress.advance(500, 12_345)
        progress.begin("folding", 10)
        progress.advance(10, 10)

    shown = out.getvalue()
    assert "reading" in shown
    assert "12,345 records" in shown
    assert "folding" in shown
    assert "/s" in shown
    assert "100%" in shown


def test_silence_is_silent() -> None:
    progress = SilentProgress()

    progress.begin("reading", 1000)
    progress.advance(500, 5)
