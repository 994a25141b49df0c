"""`chatfold serve` with a legacy source, named by the environment as an operator does it."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.settings import Settings
from tests.api.requests import SESSIONS
from tests.migrations.sources import document

DEADLINE_SECONDS = 60


@contextmanager
def started(folder: Path, sources: str) -> Iterator["subprocess.Popen[str]"]:
    ours = {f"CHATFOLD_{name.upper()}" for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    with subprocess.Popen(
        [sys.executable, "-m", "app", "--port", "0"],
        env=inherited
        | {"CHATFOLD_STORE": f"sqlite:///{folder}/store.db", "CHATFOLD_LEGACY_SOURCES": sources},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_several_sources_are_served_and_folded(tmp_path: Path) -> None:
    messages, sessions = tmp_path / "messages.jsonl.gz", tmp_path / "sessions.json"
    messages.write_bytes(gzip.compress(json.dumps(document("m1", "one")).encode()))
    sessions.write_text(
        json.dumps([{"id": "s2", "created_at": "2024-01-01T12:00:00Z"}]),
        encoding="utf-8",
    )

    with started(
        tmp_path,
        f"message-documents={messages}?default_user=ada, session-documents={sessions}?"
        "default_user=ada&time_zone=Europe/Berlin",
    ) as process:
        assert process.stderr is not None
        found = re.search(r"on (http://\S+:\d+)", process.stderr.readline())
        assert found is not None
        with httpx.Client(
            base_url=found[1],
            headers={"X-User-Id": "ada"},
            timeout=DEADLINE_SECONDS,
        ) as ada:
            before = {one["id"]: one.get("is_legacy") for one in ada.get(SESSIONS).json()["items"]}
            appended = ada.post(f"{SESSIONS}/s1/messages", json={"id": "m2", "content": "two"})
            after = {one["id"]: one.get("is_legacy") for one in ada.get(SESSIONS).json()["items"]}

    assert before == {"s1": True, "s2": True}
    assert appended.status_code == 201
    assert appended.json()["messages"][0]["seq"] == 1
    assert after == {"s1": None, "s2": True}


def test_what_can_be_no_source_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with started(tmp_path, "chats=/nowhere") as process:
        _, said = process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 2
    assert "CHATFOLD_LEGACY_SOURCES lists sources as message-documents=" in said
    assert "Traceback" not in said
