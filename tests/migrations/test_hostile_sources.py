"""Whatever a source holds is reported or kept, and nothing of it harms the rest."""

import gzip
import json
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import SourceError
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from migrations.report import RunReport
from tests.migrations.forms import FORMS, typed_documents
from tests.migrations.sources import (
    at,
    contents_of,
    document,
    fold,
    messages_of,
    verified,
    write_source,
)

BEFORE = document("m0", "before", created_at=at(0))
AFTER = document("m9", "after", created_at=at(9))
MEBIBYTE = 1024 * 1024


async def fold_between(
    folder: Path, store: SessionStore, *hostile: dict[str, Any] | bytes
) -> RunReport:
    """Fold hostile records between two harmless ones; verify must agree."""
    path = write_source(folder / "source.jsonl", [BEFORE, *hostile, AFTER])
    report = await fold(path, store)
    assert (await verified(path, store)).differences == {}
    texts = await contents_of(store)
    assert (texts[0], texts[-1]) == ("before", "after")
    return report


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "metadata",
    [
        {"$where": "sleep(1000)", "$set": {"a.b": 1}, "a.b": {"$ne": None}, "": 1},
        {"__proto__": {"a": 1}, "constructor": None, "_id": 1},
        {"x" * 100_000: "a huge name"},
        {"NUL \0 inside": "text", "\u202e": "\x1b[2J"},
        {f"name {number}": number for number in range(5000)},
        nested(60),
    ],
    ids=["operators", "prototypes", "huge name", "controls", "many names", "deep"],
)
async def test_hostile_metadata_is_kept_as_it_is(
    store: SessionStore, tmp_path: Path, metadata: dict[str, Any]
) -> None:
    await fold_between(tmp_path, store, document("m1", "hostile", metadata=metadata))

    _, message, _ = await messages_of(store)
    if any("\0" in name for name in metadata):  # no store takes such a name
        kept = json.loads(message.metadata["chatfold:source"]["json"])
        assert kept == {"metadata": metadata}
    else:
        assert message.metadata == metadata


@pytest.mark.parametrize("levels", [70, 190])
async def test_metadata_that_no_store_can_nest_is_kept_as_text(
    store: SessionStore, tmp_path: Path, levels: int
) -> None:
    report = await fold_between(tmp_path, store, document("m1", metadata=nested(levels)))

    _, message, _ = await messages_of(store)
    kept = json.loads(message.metadata["chatfold:source"]["json"])
    assert kept == {"metadata": nested(levels)}
    assert report.records.findings == {"kept_as_text": 1}


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(document("m1")).encode().replace(b"{}", b'{"a":' * 300 + b"1" + b"}" * 300),
        json.dumps(document("m1")).encode().replace(b"{}", b"[" * 100_000),
        json.dumps(document("m1")).encode().replace(b"{}", b'{"a": NaN}'),
        json.dumps(document("m1")).encode().replace(b"{}", b'{"a": -Infinity}'),
        json.dumps(document("m1")).encode().replace(b"Hello", b"\xff\xfe"),
        json.dumps(document("m1")).encode().replace(b"Hello", rb"\ud800"),
        json.dumps(document("m1")).encode().replace(b"Hello", b"\0"),
        json.dumps(document("m1")).encode("utf-16-le"),
        b"\xef\xbb\xbf" + json.dumps(document("m1")).encode(),
    ],
    ids=["deep", "unclosed", "NaN", "Infinity", "UTF-8", "surrogate", "NUL", "UTF-16", "mark"],
)
async def test_what_is_no_json_is_rejected_with_its_place(
    store: SessionStore, tmp_path: Path, line: bytes
) -> None:
    report = await fold_between(tmp_path, store, line)

    assert report.records.reasons == {"malformed_json": 1}
    (example,) = report.records.examples["malformed_json"]
    assert example.place == "line 2"


async def test_carriage_returns_and_a_byte_order_mark_are_nothing(
    store: SessionStore, tmp_path: Path
) -> None:
    path = tmp_path / "source.jsonl"
    lines = [b"\xef\xbb\xbf" + json.dumps(BEFORE).encode(), b"", json.dumps(AFTER).encode()]
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")

    report = await fold(path, store)

    assert await contents_of(store) == ["before", "after"]
    assert (report.records.read, report.records.blank_lines) == (2, 1)
    assert (await verified(path, store)).differences == {}


@pytest.mark.at_the_door
@pytest.mark.parametrize("form", ["array", "bson"])
async def test_a_message_of_17_mebibytes_is_rejected_and_nothing_else_suffers(
    store: SessionStore, tmp_path: Path, form: str
) -> None:
    documents = [BEFORE, document("m1", "x" * 17 * MEBIBYTE, created_at=at(1)), AFTER]
    path = tmp_path / "source"
    if form == "bson":
        path.write_bytes(b"".join(map(bson.encode, documents)))
    else:
        path.write_text(json.dumps(documents))

    report = await fold(path, store)

    assert await contents_of(store) == ["before", "after"]
    assert report.records.reasons == {"message_too_large": 1}
    (example,) = report.records.examples["message_too_large"]
    assert (example.position, example.message_id) == (2, "m1")
    assert (await verified(path, store)).differences == {}


async def test_a_dump_that_is_cut_short_keeps_what_came_before(
    store: SessionStore, tmp_path: Path
) -> None:
    path = tmp_path / "dump.bson"
    last = bson.encode(AFTER)
    path.write_bytes(bson.encode(BEFORE) + last[:-10])

    report = await fold(path, store)

    assert await contents_of(store) == ["before"]
    assert report.records.reasons == {"malformed_bson": 1}
    (example,) = report.records.examples["malformed_bson"]
    assert example.place == "document 2"
    assert example.detail is not None
    assert f"{len(last) - 10} bytes were not read" in example.detail
    assert (await verified(path, store)).differences == {}


@pytest.mark.parametrize("length", [-1, 0, 2**31 - 1])
async def test_a_wrong_length_in_a_dump_keeps_what_came_before(
    store: SessionStore, tmp_path: Path, length: int
) -> None:
    path = tmp_path / "dump.bson"
    wrong = length.to_bytes(4, "little", signed=True)
    path.write_bytes(bson.encode(BEFORE) + wrong + bson.encode(AFTER)[4:])

    report = await fold(path, store)

    assert await contents_of(store) == ["before"]
    assert report.records.reasons == {"malformed_bson": 1}
    assert (await verified(path, store)).differences == {}


async def test_a_damaged_document_in_a_dump_costs_no_other(
    store: SessionStore, tmp_path: Path
) -> None:
    path = tmp_path / "dump.bson"
    damaged = bson.encode(document("m1", "Hello!")).replace(b"Hello!", b"\xff\xfe\xfd!!!")
    path.write_bytes(bson.encode(BEFORE) + damaged + bson.encode(AFTER))

    report = await fold(path, store)

    assert await contents_of(store) == ["before", "after"]
    assert report.records.reasons == {"malformed_bson": 1}
    assert (await verified(path, store)).differences == {}


@pytest.mark.parametrize("name", ["source.jsonl", "array.json", "dump.bson"])
async def test_a_gzip_that_is_cut_short_is_an_error_and_stores_nothing(
    store: SessionStore, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.gz"
    whole = gzip.compress(FORMS[name](typed_documents()))
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(SourceError, match="cannot be read"):
        await fold(path, store)

    assert await store.list_keys() == []


async def fold_anything(path: Path, content: bytes) -> None:
    """Nothing raises, every record has its outcome, and verify agrees."""
    path.write_bytes(content)
    store = MemoryStore()
    await fold(path, store)
    assert (await verified(path, store)).differences == {}


NAMES = ["source.jsonl", "array.json", "indented.json", "extended-1.json", "dump.bson"]
PIECES = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\\", b"\0", b"\xff", b'},{"', b"NaN"]


@given(content=st.binary(max_size=200), beginning=st.sampled_from([b"", b"[", b"{", b"\n"]))
async def test_any_bytes_are_a_source(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, beginning: bytes
) -> None:
    await fold_anything(tmp_path_factory.getbasetemp() / "any", beginning + content)


@settings(max_examples=200)
@given(data=st.data(), name=st.sampled_from(NAMES))
async def test_a_damaged_source_loses_no_more_than_what_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    content = FORMS[name](typed_documents(8))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = start + data.draw(st.sampled_from([0, 0, 1, 2, 50]))
        piece = data.draw(st.sampled_from([b"", *PIECES]))
        content = content[:start] + piece + content[stop:]

    await fold_anything(tmp_path_factory.getbasetemp() / name, content)
