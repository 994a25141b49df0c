"""Lines come out of a source as they are, whatever it is wrapped in, and never too large."""

import gzip
from pathlib import Path

import pytest

from app.errors import SourceError
from app.formats.file_source import FileSource
from app.formats.port import RawRecord


def lines_of(path: Path, **options: int) -> list[RawRecord]:
    with FileSource(path, **options) as source:
        return list(source)


def test_lines_are_numbered_from_one_and_lose_their_break(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"first\nsecond\n")

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, b"second")]


def test_a_last_line_needs_no_break(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"first\nsecond")

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, b"second")]


def test_gzip_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(gzip.compress(b"first\nsecond\n"))

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, b"second")]


def test_several_gzip_members_are_one_source(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl.gz"
    path.write_bytes(gzip.compress(b"first\nsec") + gzip.compress(b"ond\n"))

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, b"second")]


def test_blank_lines_are_counted_and_hold_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"\nfirst\r\n \t\r\n\nsecond\n\n")

    with FileSource(path) as source:
        lines = list(source)

    assert lines == [RawRecord(2, b"first\r"), RawRecord(5, b"second")]
    assert source.blank_lines == 4


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"\xef\xbb\xbffirst\n\xef\xbb\xbfsecond\n")

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, b"\xef\xbb\xbfsecond")]


def test_lines_that_cross_the_blocks_of_reading_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    long_line = b"x" * 3_000_000
    path.write_bytes(b"first\n" + long_line + b"\nlast\n")

    lines = lines_of(path)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, long_line), RawRecord(3, b"last")]


@pytest.mark.parametrize("break_at_the_end", [b"\n", b""])
def test_a_line_over_the_limit_is_named_and_its_neighbours_survive(
    tmp_path: Path, break_at_the_end: bytes
) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"first\n" + b"x" * 4_000_000 + b"\nlast" + break_at_the_end)

    lines = lines_of(path, record_limit_bytes=100)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, None), RawRecord(3, b"last")]


def test_a_last_line_over_the_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"first\n" + b"x" * 4_000_000)

    lines = lines_of(path, record_limit_bytes=100)

    assert lines == [RawRecord(1, b"first"), RawRecord(2, None)]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl"
    path.write_bytes(b"")

    assert lines_of(path) == []


def test_progress_counts_bytes_as_they_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "source.jsonl.gz"
    path.write_bytes(gzip.compress(b"first\nsecond\n" * 1000))

    with FileSource(path) as source:
        before = source.bytes_read
        list(source)

        assert before == 0
        assert source.bytes_read == source.size_bytes == path.stat().st_size


def test_a_missing_file_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened"), FileSource(tmp_path / "none"):
        pass


@pytest.mark.parametrize("damage", ["cut short", "flipped"])
def test_a_damaged_gzip_is_a_source_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "source.jsonl.gz"
    whole = gzip.compress(b"".join(b"line %d\n" % number for number in range(5000)))
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    path.write_bytes(whole[:middle] if damage == "cut short" else flipped)

    with pytest.raises(SourceError, match="cannot be read to its end"):
        lines_of(path)
