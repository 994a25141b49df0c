"""Documents come out of a BSON file one by one; where a length is wrong, the rest is told."""

import bson
import pytest

from app.formats.bson_framing import BSONFraming, is_bson
from app.formats.port import RawRecord

ONE, TWO = bson.encode({"a": 1}), bson.encode({"b": "two", "c": {"d": []}})


def framed(source: bytes, *, limit_bytes: int = 1_000_000) -> list[RawRecord]:
    """The records, which do not depend on how the bytes came."""
    records = list(BSONFraming(limit_bytes).records([source]))
    for size in (1, 2, 3, 7):
        chunks = (source[at : at + size] for at in range(0, len(source), size))
        assert list(BSONFraming(limit_bytes).records(chunks)) == records
    return records


def test_documents_come_as_they_are() -> None:
    assert framed(ONE + TWO + ONE) == [RawRecord(1, ONE), RawRecord(2, TWO), RawRecord(3, ONE)]


def test_an_empty_file_has_no_documents() -> None:
    assert framed(b"") == []


@pytest.mark.parametrize("length", range(1, len(TWO)))
def test_a_file_that_is_cut_short_keeps_what_was_before(length: int) -> None:
    records = framed(ONE + TWO[:length])

    sentence = f"The source ends within this document: {length} bytes were not read."
    assert records == [RawRecord(1, ONE), RawRecord(2, None, sentence)]


@pytest.mark.parametrize("length", [-1, -(2**31), 0, 4, 1_000_001, 2**31 - 1])
def test_a_wrong_length_tells_how_much_was_not_read(length: int) -> None:
    wrong = length.to_bytes(4, "little", signed=True)

    records = framed(ONE + wrong + TWO[4:] + ONE)

    unread = len(TWO) + len(ONE)
    sentence = f"Its length is damaged: {unread} bytes from here to the end were not read."
    assert records == [RawRecord(1, ONE), RawRecord(2, None, sentence)]


def test_a_length_that_does_not_lead_to_an_end_tells_how_much_was_not_read() -> None:
    wrong = (len(TWO) - 3).to_bytes(4, "little") + TWO[4:-4] + b"\1\1\1\1"

    records = framed(ONE + wrong + ONE)

    assert records[0] == RawRecord(1, ONE)
    assert [record.raw for record in records[1:]] == [None]
    assert f"{len(TWO) + len(ONE)} bytes from here to the end" in records[1].damage


@pytest.mark.parametrize("source", [ONE, TWO, bson.encode({}), bson.encode({"x": "y" * 2_000_000})])
def test_bson_is_known_by_its_beginning(source: bytes) -> None:
    assert is_bson(source[:100])


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"{}",
        b'{"id": 1}\n',
        b"\n\n\n\n\n",
        b"[{}]",
        b"\xef\xbb\xbf{}",
        '{"id": 1}'.encode("utf-16"),
        '{"id": 1}'.encode("utf-16-le"),
    ],
)
def test_text_is_no_bson(source: bytes) -> None:
    assert not is_bson(source)
