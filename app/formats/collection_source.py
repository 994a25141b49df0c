"""CollectionSource: the documents of a live MongoDB collection, in the order of their `_id`."""

import hashlib
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

import bson
from bson.binary import Binary
from bson.objectid import ObjectId
from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.uri_parser import parse_uri

from app.domain.source_options import SourceOptions
from app.errors import ConfigurationError, SourceError
from app.formats.field_names import names_in_source
from app.formats.port import Notation, RawRecord
from app.store.urls import shown_url

_SCHEMES = ("mongodb://", "mongodb+srv://")
_SELECTION_TIMEOUT_MILLISECONDS = 10_000
_BATCH_DOCUMENTS = 1000  # MongoDB sends no more than 16 MiB at a time, but not every server does
_IDS_IN_A_QUERY = 1000
_LENGTH_BYTES = 4
_UNAUTHORISED = 13
_AUTHENTICATION_FAILED = 18
_INT64_DIGITS = 19
_INT64 = range(-(2**63), 2**63)

_Document = dict[str, Any]


def is_collection(location: str) -> bool:
    """Whether a location is the URL of a collection, and not a path."""
    return location.startswith(_SCHEMES)


class CollectionSource:
    """A collection, named as in `mongodb://host/database.collection?options`.

    Nothing is grouped by the server, and nothing written to it. Where a user or a session is
    wanted, it is asked for no more than their sessions.

    Raises:
        ConfigurationError: the URL names no collection, or cannot be used.
        SourceError: the server cannot be reached or refuses; also from the iteration.
    """

    notation = Notation.BSON
    size_bytes: int | None = None
    bytes_read = 0
    blank_lines = 0

    def __init__(self, url: str, options: SourceOptions) -> None:
        self.name = shown_url(url)
        self._url = url
        self._options = options
        self._names = names_in_source(("session_id", "user_id"), _of_keys(options))
        try:
            with warnings.catch_warnings():
                # The driver would leave out an option that it does not know.
                warnings.simplefilter("error", UserWarning)
                parsed = parse_uri(url)
        except (PyMongoError, UserWarning, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"The URL {self.name} cannot be used: its host or its options do not fit."
            ) from error
        self._database: str = parsed["database"] or ""
        self.collection_name: str = parsed["collection"] or ""
        if not self._database or not self.collection_name:
            raise ConfigurationError(
                f"The URL {self.name} names no collection; say mongodb://host/database.collection."
            )
        self._has_own_timeout = "serverselectiontimeoutms" in url.lower()
        self._client: MongoClient[_Document]
        self._collection: Collection[_Document]

    def __enter__(self) -> Self:
        """Connect, and see that the collection is there."""
        options: dict[str, Any] = {"appname": "chatfold"}
        if not self._has_own_timeout:
            options["serverSelectionTimeoutMS"] = _SELECTION_TIMEOUT_MILLISECONDS
        with self._errors_named():
            self._client = MongoClient(self._url, **options)
        try:
            with self._errors_named():
                database = self._client[self._database]
                self._collection = database[self.collection_name]
                self._check_existence()
        except SourceError:
            self._client.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._client.close()

    def __iter__(self) -> Iterator[RawRecord]:
        """Every document that may be wanted."""
        return self.wanted(self._options)

    def wanted(self, options: SourceOptions) -> Iterator[RawRecord]:
        """Every document that may be wanted, if this user or session is; the names stay."""
        return self._matching(self._filters(options))

    def holding(
        self, names: Sequence[str], ids: Sequence[str], *, or_nobody: bool = False
    ) -> Iterator[RawRecord]:
        """See the port."""
        return self._matching(_conditions(names, ids, or_nobody=or_nobody))

    def _matching(self, conditions: Iterable[Mapping[str, Any]]) -> Iterator[RawRecord]:
        """Every document that fits one of these conditions, as MongoDB writes them, in turn."""
        position = 0
        with self._errors_named():
            for wanted in conditions:
                found = self._collection.find_raw_batches(
                    wanted, sort=[("_id", ASCENDING)], batch_size=_BATCH_DOCUMENTS
                )
                for batch in cast("Iterator[bytes]", found):
                    at = 0
                    while at < len(batch):
                        length = batch[at : at + _LENGTH_BYTES]
                        size_bytes = int.from_bytes(length, "little")
                        position += 1
                        yield RawRecord(position, batch[at : at + size_bytes])
                        at += size_bytes

    def place(self, position: int) -> str:
        """See the port."""
        return f"document {position}"

    def fingerprint(self) -> str | None:
        """Of how many documents there are, and the last `_id`."""
        with self._errors_named():
            count = self._collection.estimated_document_count()
            last = self._collection.find_one({}, {"_id": True}, sort=[("_id", DESCENDING)])
        return f"{count}-{hashlib.sha256(bson.encode(last or {})).hexdigest()[:32]}"

    def _check_existence(self) -> None:
        database = self._collection.database
        try:
            names = database.list_collection_names(filter={"name": self._collection.name})
        except OperationFailure as error:
            if error.code == _UNAUTHORISED:
                return  # who may read a collection need not be allowed to list them
            raise
        if self._collection.name not in names:  # some servers do not filter
            raise SourceError(
                f"The database {database.name} has no collection {self._collection.name}."
            )

    def _filters(self, options: SourceOptions) -> Iterator[_Document]:
        """One query after the other; what they find is in no two of them."""
        session_name = self._names["session_id"]
        if options.session is not None and is_plain(session_name):
            yield {session_name: {"$in": forms_of(options.session)}}
        elif options.user is not None and all(map(is_plain, self._names.values())):
            session_ids = iter(self._session_ids(options.user, options.default_user))
            while some := list(islice(session_ids, _IDS_IN_A_QUERY)):
                yield {session_name: {"$in": some}}
        else:
            yield {}

    def _session_ids(self, user_id: str, default_user: str | None) -> set[Any]:
        """Of the sessions in which a user has something, as they are stored.

        They are read whole: whose a document without a user is, its whole session says.
        """
        users = forms_of(user_id)
        if user_id == default_user:
            users += [None, ""]
        session_name, user_name = self._names["session_id"], self._names["user_id"]
        found = self._collection.find({user_name: {"$in": users}}, {session_name: True})
        values = (document.get(session_name) for document in found)
        return {value for value in values if not isinstance(value, dict | list)}

    @contextmanager
    def _errors_named(self) -> Generator[None]:
        try:
            yield
        except ServerSelectionTimeoutError as error:
            raise SourceError(f"No server of {self.name} can be reached.") from error
        except OperationFailure as error:
            if error.code in {_UNAUTHORISED, _AUTHENTICATION_FAILED}:
                raise SourceError(
                    f"The server of {self.name} refuses the credentials, or they do not allow this."
                ) from error
            raise SourceError(f"The server of {self.name} cannot answer: {error}") from error
        except PyMongoError as error:
            raise SourceError(f"{self.name} cannot be read: {type(error).__name__}.") from error


def forms_of(text: str) -> list[Any]:
    """What may be stored where an id reads so: text, or a number, an ObjectId, a UUID."""
    forms: list[Any] = [text]
    digits = text.removeprefix("-")
    is_whole = digits.isdecimal() and len(digits) <= _INT64_DIGITS
    if is_whole and str(int(text)) == text and int(text) in _INT64:
        forms.append(int(text))
    if ObjectId.is_valid(text) and text == text.lower():
        forms.append(ObjectId(text))
    try:
        uuid = UUID(text)
    except ValueError:
        return forms
    return [*forms, Binary.from_uuid(uuid)] if str(uuid) == text else forms


def _conditions(
    names: Sequence[str], ids: Sequence[str], *, or_nobody: bool
) -> Iterator[_Document]:
    if not all(map(is_plain, names)):
        yield {}
        return
    nobody = [None, ""] if or_nobody else []
    for start in range(0, len(ids), _IDS_IN_A_QUERY):
        some = ids[start : start + _IDS_IN_A_QUERY]
        forms = [form for one in some for form in forms_of(one)]
        yield {"$or": [{name: {"$in": forms + nobody}} for name in names]}


def _of_keys(options: SourceOptions) -> dict[str, str]:
    keys = ("session_id", "user_id")
    return {ours: theirs for ours, theirs in options.fields.items() if ours in keys}


def is_plain(name: str) -> bool:
    """Whether a query for this name asks for just this field."""
    return bool(name) and not name.startswith("$") and "." not in name
