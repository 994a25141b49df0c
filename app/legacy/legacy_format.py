"""LegacyFormat: the formats that fold on read knows, by the names that settings and origins use."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.json_tree import JSONTree
from app.formats.message_documents import MessageDocuments
from app.formats.nested_places import with_room
from app.formats.port import FaultyRecord, Format, Notation, RawRecord, Record, SessionRecord
from app.formats.session_documents import SessionDocuments


class LegacyFormat(NamedTuple):
    """A format, and how its raw records are numbered."""

    name: str
    make: Callable[[SourceOptions], Format]
    is_nested: bool
    """Whether a raw record holds messages, which need positions of their own."""
    options: SourceOptions = AS_IT_IS
    """What the operator says of the source."""

    def records(
        self, raw_records: Iterable[RawRecord], notation: Notation
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        """What the raw records are, at the positions that a run gives them."""
        placed = with_room(iter(raw_records)) if self.is_nested else raw_records
        return self.make(self.options).records(placed, notation)


FORMATS = {
    one.name: one
    for one in (
        LegacyFormat(MessageDocuments.name, MessageDocuments, is_nested=False),
        LegacyFormat(SessionDocuments.name, SessionDocuments, is_nested=True),
        LegacyFormat(JSONTree.name, JSONTree, is_nested=False),  # its source numbers them so
    )
}
"""By their names."""
