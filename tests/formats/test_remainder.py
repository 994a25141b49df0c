"""What stays of a file when records are taken out of it is what it was, byte for byte."""

import gzip
import json
from pathlib import Path

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.formats.file_source import FileSource
from app.formats.remainder import remainder

LINES = b'{"a": 1}\n\n  {"b": 2}\r\nno JSON\n{"c": "\xff"}\n{"d": 4}'
ARRAY = b'\xef\xbb\xbf [ {"a": [1, {"x": "],"}]},\n\t{"b": 2} , {"c": tru},{"d": 4}]\n'


def left_of(path: Path, *taken: int, limit: int = 1000) -> bytes:
    with FileSource(path, record_limit_bytes=limit) as source:
        return b"".join(remainder(source, lambda record: record.position not in taken))


def kept(path: Path, content: bytes, *taken: int, limit: int = 1000) -> bytes:
    path.write_bytes(content)
    return left_of(path, *taken, limit=limit)


def test_lines_that_stay_are_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"

    assert kept(path, LINES, 1, 5) == b'  {"b": 2}\r\nno JSON\n{"d": 4}'
    assert kept(path, LINES, 6) == b'{"a": 1}\n  {"b": 2}\r\nno JSON\n{"c": "\xff"}\n'
    assert kept(path, LINES, 1, 3, 4, 5, 6) == b""


def test_a_line_that_is_too_long_stays_whole(tmp_path: Path) -> None:
    long = b"x" * 3_000_000 + b"\n"

    assert kept(tmp_path / "source.jsonl", b"{}\n" + long + b"{}\n[]", 1, 3) == long + b"[]"
    assert kept(tmp_path / "source.jsonl", b"{}\n" + long[:-1], 1) == long[:-1]


def test_what_stays_of_an_array_is_an_array(tmp_path: Path) -> None:
    path = tmp_path / "source.json"

    assert kept(path, ARRAY, 3) == (
        b'\xef\xbb\xbf[\n{"a": [1, {"x": "],"}]},\n{"b": 2},\n{"d": 4}\n]\n'
    )
    assert kept(path, ARRAY, 1, 2, 4) == b'\xef\xbb\xbf[\n{"c": tru}\n]\n'
    assert kept(path, ARRAY, 1, 2, 3, 4) == b""


def test_an_array_that_does_not_end_stays_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "source.json"

    assert kept(path, b'[{"a": 1}, {"b": 2}, {"c": "3', 1) == b'[\n{"b": 2},\n{"c": "3'
    assert kept(path, b'[{"a": 1}, {"b": 2},\n', 1) == b'[\n{"b": 2}'
    assert kept(path, b'[{"a": 1}, {"b": 2},\n', 1, 2) == b""


def test_an_element_that_is_too_long_stays_whole(tmp_path: Path) -> None:
    long = b'{"text": "' + b"x" * 3_000_000 + b'"}'
    path = tmp_path / "source.json"

    left = kept(path, b'[{"a": 1},' + long + b',{"b": 2}]', 1, 3)

    assert left == b"[\n" + long + b"\n]\n"


def test_documents_of_bson_stay_and_so_does_what_cannot_be_read(tmp_path: Path) -> None:
    one, two = bson.encode({"a": 1}), bson.encode({"b": 2})
    damage = b"\xff\xff\xff\xff" + two

    assert kept(tmp_path / "source.bson", one + two + one, 1) == two + one
    assert kept(tmp_path / "source.bson", one + two + damage, 1) == two + damage
    assert kept(tmp_path / "source.bson", one + two[:-3], 1) == two[:-3]


def test_a_gzipped_file_is_told_in_plain_bytes(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl.gz"

    assert kept(path, gzip.compress(LINES), 1, 3, 4, 5) == b'{"d": 4}'


PIECES = st.sampled_from(
    [b'{"a": 1}', b'{"b": "}{"}', b"[1]", b"\n", b",", b"]", b"[", b'"', b"x" * 30, b"{", b" "]
)


@pytest.mark.parametrize("opening", [b"", b"["])
@given(pieces=st.lists(PIECES, max_size=20), taken=st.sets(st.integers(1, 12)))
def test_what_stays_reads_as_it_did(
    tmp_path_factory: pytest.TempPathFactory, opening: bytes, pieces: list[bytes], taken: set[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(opening + b"".join(pieces))
    with FileSource(path, record_limit_bytes=20) as source:
        whole = [one.raw for one in source if one.raw is not None and one.position not in taken]

    left = left_of(path, *taken, limit=20)

    at = 0
    for raw in whole:
        at = left.index(raw, at) + len(raw)


@pytest.mark.parametrize("opening", [b"", b"["])
@given(pieces=st.lists(PIECES, max_size=20))
def test_records_with_their_places_are_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, opening: bytes, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(opening + b"".join(pieces))
    with FileSource(path, record_limit_bytes=20) as source:
        records = list(source)

    with FileSource(path, record_limit_bytes=20) as source:
        spans = list(source.spans())

    assert [(one.record.position, one.record.damage) for one in spans] == [
        (one.position, one.damage) for one in records
    ]
    content = path.read_bytes()
    for (told, start, stop), record in zip(spans, records, strict=True):
        assert (told.raw is None) == (record.raw is None)
        if record.raw is not None:
            assert told.raw is not None
            assert told.raw.removesuffix(b"\n") == record.raw
            assert record.raw in content[start:stop]


@given(members=st.lists(st.dictionaries(st.text(), st.integers() | st.text())), data=st.data())
def test_what_stays_of_whole_elements_is_just_those(
    tmp_path_factory: pytest.TempPathFactory, members: list[dict[str, object]], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "whole.json"
    path.write_text(json.dumps(members), encoding="utf-8")
    taken = data.draw(st.sets(st.integers(1, max(1, len(members)))))

    left = left_of(path, *taken, limit=10_000)

    staying = [one for number, one in enumerate(members, 1) if number not in taken]
    assert json.loads(left or b"[]") == staying
