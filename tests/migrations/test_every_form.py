"""The same messages make the same sessions, in whatever form they come."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.formats.file_source import FileSource
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.report import RunReport
from tests.migrations.forms import FORMS, typed_documents, write_form
from tests.migrations.sources import fold, verified

LINES = "source.jsonl"


async def everything_in(store: SessionStore) -> list[dict[str, Any]]:
    """What a store serves, without what is drawn anew in every run."""
    sessions = [json.loads((await store.read(key)).to_json()) for key in await store.list_keys()]
    for session in sessions:
        del session["generation"], session["origin"]["run_id"]
    return sessions


async def folded(path: Path) -> tuple[list[dict[str, Any]], RunReport]:
    store = MemoryStore()
    report = await fold(path, store)
    proof = await verified(path, store)
    assert (proof.differences, proof.sessions_equal) == ({}, 4)
    assert proof.records_read == report.records.read
    return await everything_in(store), report


@pytest.mark.parametrize("name", [name for name in FORMS if name != LINES])
async def test_a_form_makes_what_lines_make(tmp_path: Path, name: str) -> None:
    lines, _ = await folded(write_form(tmp_path, LINES, typed_documents()))

    sessions, report = await folded(write_form(tmp_path, name, typed_documents()))

    assert sessions == lines
    assert [len(session["messages"]) for session in sessions] == [15] * 4
    assert (report.records.read, report.records.folded) == (60, 60)
    assert report.records.findings == {"unknown_message_type": 20}


@pytest.mark.parametrize(
    ("name", "place"),
    [("source.jsonl", "line 3"), ("array.json", "element 3"), ("dump.bson.gz", "document 3")],
)
async def test_a_place_is_told_in_the_words_of_its_form(
    tmp_path: Path, name: str, place: str
) -> None:
    _, report = await folded(write_form(tmp_path, name, typed_documents()))

    found = {one.position: one for one in report.records.examples["unknown_message_type"]}
    assert found[3].place == place
    assert place.split(maxsplit=1)[0] in report.to_text()


async def test_what_verify_misses_is_told_in_the_words_of_the_form(tmp_path: Path) -> None:
    path = write_form(tmp_path, "dump.bson", typed_documents(1))

    proof = await verified(path, MemoryStore())

    assert proof.record_word == "document"
    assert proof.differences == {"session_missing": 1}


@pytest.mark.parametrize("name", list(FORMS))
def test_a_source_that_is_not_changed_keeps_its_fingerprint(tmp_path: Path, name: str) -> None:
    path = write_form(tmp_path, name, typed_documents())
    fingerprints = [fingerprint_of(path), fingerprint_of(path)]

    os.utime(path, ns=(1, 1))

    assert fingerprints[0] == fingerprints[1] is not None
    assert fingerprint_of(path) != fingerprints[0]


@pytest.mark.parametrize("place", [0, -1])
def test_other_bytes_of_the_same_date_change_the_fingerprint(tmp_path: Path, place: int) -> None:
    path = write_form(tmp_path, LINES, typed_documents(2000))
    os.utime(path, ns=(1, 1))
    before = fingerprint_of(path)
    content = bytearray(path.read_bytes())

    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))

    assert fingerprint_of(path) != before


def fingerprint_of(path: Path) -> str | None:
    with FileSource(path) as source:
        return source.fingerprint()
