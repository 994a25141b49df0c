"""fold-sessions: session documents with embedded messages become sessions as the store keeps them.

The order of a session's messages is that of its array, whatever their dates say.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from app.domain.container_address import is_container
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.collection_source import CollectionSource, is_collection
from app.formats.cosmos_source import CosmosSource
from app.formats.file_source import FileSource
from app.formats.nested_places import nested_place, with_room
from app.formats.port import RawRecord, Source
from app.formats.session_documents import SessionDocuments
from app.formats.spans import Span
from app.settings import StoreSettings
from migrations.job import Job


class _SessionFile(FileSource):
    def __iter__(self) -> Iterator[RawRecord]:
        return with_room(super().__iter__())

    def spans(self) -> Iterator[Span]:
        for span in super().spans():
            (record,) = with_room(iter([span.record]))
            yield span._replace(record=record)

    def place(self, position: int) -> str:
        return nested_place(position, super().place)


class _SessionCollection(CollectionSource):
    def __iter__(self) -> Iterator[RawRecord]:
        return with_room(super().__iter__())

    def place(self, position: int) -> str:
        return nested_place(position, super().place)


class _SessionContainer(CosmosSource):
    def __iter__(self) -> Iterator[RawRecord]:
        return with_room(super().__iter__())

    def place(self, position: int) -> str:
        return nested_place(position, super().place)


def _source(location: str, options: SourceOptions) -> Source:
    # All is read: a session's id may be in several fields, which no query could ask for.
    if is_collection(location):
        return _SessionCollection(location, AS_IT_IS)
    if is_container(location):
        whole = replace(options, user=None, session=None)
        return _SessionContainer(location, whole, key=StoreSettings.read().cosmos_key)
    return _SessionFile(Path(location))


FOLD_SESSIONS = Job(
    name="fold-sessions",
    summary="Fold session documents with embedded messages into sessions.",
    make_format=SessionDocuments,
    open_source=_source,
)
