"""Spans: where in a file each record is, so that some can be taken out and the others stay."""

from typing import NamedTuple

from app.formats.port import RawRecord


class Span(NamedTuple):
    """A record, and where it is in the plain bytes of its file, with white space around it."""

    record: RawRecord
    start: int
    stop: int | None
    """None where the stream ends within the record, or nothing tells where it ends."""


class Joints(NamedTuple):
    """What stands before, between and after the records of a file."""

    opening: bytes
    separator: bytes
    closing: bytes


SIDE_BY_SIDE = Joints(b"", b"", b"")
"""Each record with what ends it."""
