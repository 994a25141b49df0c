"""Nested places: positions of messages and artifacts in documents that hold whole sessions."""

from collections.abc import Callable, Iterator

from app.formats.port import RawRecord

# No document of 64 MiB has so many messages; and so many documents keep positions that JSON readers
# with doubles still tell apart.
_ROOM = 2**26
_FAULTS = _ROOM // 2
_ARTIFACTS = _ROOM // 4 * 3


def with_room(raw_records: Iterator[RawRecord]) -> Iterator[RawRecord]:
    """The records, with room between their positions for those of their messages.

    The session itself has the position of its record; its messages have the ones that follow.
    """
    for record in raw_records:
        yield record._replace(position=record.position * _ROOM)


def fault_position(position: int, number: int = 0) -> int:
    """The position of what is wrong with a document beside its messages."""
    return position + _FAULTS + number


def artifact_position(position: int, index: int) -> int:
    """The position of an artifact of a document, which lies beside its messages."""
    return position + _ARTIFACTS + index + 1


def outer_position(position: int) -> int:
    """The number of the document that a record lies in."""
    return position // _ROOM


def nested_place(position: int, outer_place: Callable[[int], str]) -> str:
    """Where a record is, in people's words: `document 3, message 5`."""
    outer, number = divmod(position, _ROOM)
    place = outer_place(outer)
    if number > _ARTIFACTS:
        return f"{place}, artifact {number - _ARTIFACTS}"
    return f"{place}, message {number}" if 0 < number < _FAULTS else place
