"""Remainder: what stays of a file when some of its records are taken out, byte for byte."""

from collections.abc import Callable, Iterator

from app.formats.file_source import FileSource
from app.formats.port import RawRecord


def remainder(source: FileSource, stays: Callable[[RawRecord], bool]) -> Iterator[bytes]:
    """The plain bytes of an open file without some records; nothing where none stays.

    Every record is asked about, in order. Those that stay are what they were, damage included; an
    array that does not end does not end in what stays of it either.

    Raises:
        SourceError: the file cannot be read to its end.
    """
    joints = source.joints
    is_first = is_whole = True
    for record, start, stop in source.spans():
        if not stays(record):
            continue
        pieces = iter([record.raw]) if record.raw is not None else source.plain_bytes(start, stop)
        first = next(pieces, b"")
        is_whole = stop is not None
        if is_whole or first.strip():  # else it only tells that the end is missing
            yield joints.opening if is_first else joints.separator
            yield first
            yield from pieces
            is_first = False
    if not is_first and is_whole:
        yield joints.closing
