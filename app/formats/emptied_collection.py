"""EmptiedCollection: documents leave a MongoDB collection as they are, and come back to it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne
from pymongo.errors import BulkWriteError

from app.domain.source_options import AS_IT_IS
from app.formats.collection_source import CollectionSource

_ID = "_id"
_DUPLICATE_KEY = 11000
_GUARD_TYPES = (str, int, ObjectId, datetime)
_PLAIN_NAME = re.compile(r"[^$.\0][^.\0]*")
_VALUES: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_RAW = CodecOptions(document_class=RawBSONDocument)


class EmptiedCollection(CollectionSource):
    """A collection that may be gone already.

    Raises:
        SourceError: the server cannot be reached, or refuses; from every method.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, AS_IT_IS)

    def is_there(self, name: str) -> bool:
        """Whether the database has a collection of this name."""
        with self._errors_named():
            return name in self._collection.database.list_collection_names()

    def rename(self, name: str, new_name: str) -> None:
        """Give a collection of the database another name, which must be free."""
        with self._errors_named():
            self._collection.database[name].rename(new_name)

    def remove(self, documents: Sequence[bytes]) -> int:
        """Remove some hundreds of documents; returns how many stay, since they were changed.

        Each is compared as it is stored, byte for byte. What is written in the moment between is
        seen by the server, which compares the plain values once more.
        """
        ids = [_values(raw)[_ID] for raw in documents]
        with self._errors_named():
            unchanged = set(documents).intersection(self._found(ids))
            if unchanged:
                removals = [DeleteOne(_guard(_values(raw))) for raw in unchanged]
                self._collection.bulk_write(removals, ordered=False)
            return sum(1 for _ in self._found(ids))

    def restore(self, documents: Sequence[bytes]) -> int:
        """Insert some hundreds of documents whose ids are free; returns how many were not free."""
        ids = {raw: _values(raw)[_ID] for raw in documents}
        with self._errors_named():
            taken = {_key(_values(raw)[_ID]) for raw in self._found([*ids.values()])}
            missing = [RawBSONDocument(raw) for raw, id_ in ids.items() if _key(id_) not in taken]
            if missing:
                try:
                    self._collection.insert_many(missing, ordered=False)
                except BulkWriteError as error:
                    if any(one["code"] != _DUPLICATE_KEY for one in error.details["writeErrors"]):
                        raise
            return len(set(documents).difference(self._found([*ids.values()])))

    def _check_existence(self) -> None:
        """It may have another name by now, or be about to come back."""

    def _found(self, ids: Sequence[Any]) -> Iterator[bytes]:
        """The documents with these ids, as they are stored."""
        found = self._collection.find_raw_batches({_ID: {"$in": ids}})
        for batch in cast("Iterator[bytes]", found):
            for document in bson.decode_iter(batch, _RAW):
                yield bytes(document.raw)


def _values(raw: bytes) -> dict[str, Any]:
    # Declared by the driver with a type that has a parameter left open.
    return bson.decode(raw, _VALUES)  # pyright: ignore[reportUnknownMemberType]


def _key(id_: Any) -> bytes:
    return bson.encode({_ID: id_})


def _guard(document: Mapping[str, Any]) -> dict[str, Any]:
    """A filter that finds the document as long as its plain values are what they were."""
    plain = {
        name: value
        for name, value in document.items()
        if isinstance(value, _GUARD_TYPES) and _PLAIN_NAME.fullmatch(name)
    }
    return {**plain, _ID: document[_ID]}
