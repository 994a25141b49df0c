"""The process in which a service lets migrations work."""

import json
import subprocess
import sys
from pathlib import Path

from app.domain.migration import WorkEnd, WorkProgress
from migrations.engine_process import Task
from migrations.engine_work import EngineWork
from tests.migrations.sources import document, write_source

_DEAF = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "migrations.engine_process"])
"""


def test_it_ends_with_its_service_though_that_was_started_in_the_background(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "messages.jsonl", [document(f"m{number}") for number in range(50)]
    )
    order = {
        "kind": "run",
        "store_url": f"sqlite:///{tmp_path}/chatfold.db",
        "job": "group-messages",
        "source": str(source),
        "max_rate": 1.0,
    }
    with subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-c", _DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        while "folding" not in process.stdout.readline():
            pass
        process.stdin.close()
        *_, end = process.stdout.readlines()

    assert json.loads(end) == {"stopped": True}


async def test_who_is_slow_to_take_an_event_still_hears_of_the_end(tmp_path: Path) -> None:
    source = write_source(tmp_path / "messages.jsonl", [document("m0")])
    task = Task(
        kind="plan",
        store_url=f"sqlite:///{tmp_path}/chatfold.db",
        job="group-messages",
        source=str(source),
    )
    work = await EngineWork.begin(task)
    events = work.events()

    first = await anext(events)
    await work.ended()
    rest = [event async for event in events]

    assert isinstance(first, WorkProgress)
    assert [type(event) for event in rest] == [WorkEnd]
    assert rest == [await work.end()]
