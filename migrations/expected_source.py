"""The records of a source as verify reads them, in every form; knows nothing of the formats."""

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from uuid import UUID

from bson.binary import Binary
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from app.domain.container_address import is_container
from app.domain.source_options import SourceOptions
from app.errors import SourceError
from app.settings import StoreSettings
from app.store.urls import shown_url
from migrations.expected_array import array_elements

_RECORD_LIMIT_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_IDS_IN_A_QUERY = 1000


class SourceRecord(NamedTuple):
    """A record as it came."""

    position: int
    raw: bytes | None
    """None: it cannot be read, or is too long."""


class OpenSource(NamedTuple):
    """A source at its beginning."""

    name: str
    size_bytes: int | None
    """Where it is known."""
    word: str
    """What a record of it is called."""
    is_bson: bool
    records: Iterator[SourceRecord]
    bytes_read: Callable[[], int]


@contextmanager
def opened(location: str, options: SourceOptions) -> Generator[OpenSource]:
    """The source that the operator named: a file, `-`, or the URL of a collection or container.

    Raises:
        SourceError: it cannot be read.
    """
    if location.startswith(("mongodb://", "mongodb+srv://")):
        with _collection(location, options) as source:
            yield source
        return
    if is_container(location):
        with _container(location, options) as source:
            yield source
        return
    try:
        with _file(location) as (stored, size_bytes):
            yield _open_file(location, stored, size_bytes)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"The source cannot be read: {error}") from error


@contextmanager
def _file(location: str) -> Generator[tuple[BufferedReader, int | None]]:
    """The source as it is stored, and its size where that is known."""
    if location == "-":
        with open(sys.stdin.fileno(), "rb", closefd=False) as standard_input:
            yield standard_input, None
    else:
        path = Path(location)
        with path.open("rb") as file:
            yield file, path.stat().st_size or None  # a pipe has none


def _open_file(location: str, stored: BufferedReader, size_bytes: int | None) -> OpenSource:
    is_gzip = stored.peek(2)[:2] == b"\x1f\x8b"
    plain = gzip.GzipFile(fileobj=stored) if is_gzip else stored
    head = plain.peek(5)[:5]
    is_bson = location.endswith((".bson", ".bson.gz")) or (
        len(head) == 5 and head[3] < 4 and (head[4] < 0x14 or head[4] in {0x7F, 0xFF})  # noqa: PLR2004 - a length, and a type of BSON
    )
    source = cast("BinaryIO", plain)
    if is_bson:
        word, records = "document", _documents(source)
    elif plain.peek(_CHUNK_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
        elements = enumerate(array_elements(source, _RECORD_LIMIT_BYTES), start=1)
        word, records = "element", (SourceRecord(*one) for one in elements)
    else:
        word, records = "line", _lines(source)
    return OpenSource(
        location,
        size_bytes,
        word,
        is_bson,
        records,
        lambda: 0 if size_bytes is None else stored.tell(),
    )


def _lines(source: BinaryIO) -> Iterator[SourceRecord]:
    number = 0
    while line := source.readline(_RECORD_LIMIT_BYTES + 1):
        number += 1
        if len(line) > _RECORD_LIMIT_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = source.readline(_RECORD_LIMIT_BYTES)
            yield SourceRecord(number, None)
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if line.strip():
            yield SourceRecord(number, line)


def _documents(source: BinaryIO) -> Iterator[SourceRecord]:
    number = 0
    while head := source.read(4):
        number += 1
        length = int.from_bytes(head, "little", signed=True)
        body = b""
        if len(head) == 4 and 5 <= length <= _RECORD_LIMIT_BYTES:  # noqa: PLR2004 - of BSON
            body = source.read(length - 4)
        if not body or len(body) < length - 4 or body[-1] != 0:
            yield SourceRecord(number, None)
            return
        yield SourceRecord(number, head + body)


@contextmanager
def _collection(url: str, options: SourceOptions) -> Generator[OpenSource]:
    name = shown_url(url)
    try:
        place = parse_uri(url)
        if not place["database"] or not place["collection"]:
            raise SourceError(f"{name} names no collection.")
        with MongoClient[RawBSONDocument](url, document_class=RawBSONDocument) as client:
            documents = client[str(place["database"])][str(place["collection"])]
            yield OpenSource(
                name=name,
                size_bytes=None,
                word="document",
                is_bson=True,
                records=_found(documents, options),
                bytes_read=lambda: 0,
            )
    except PyMongoError as error:
        raise SourceError(f"{name} cannot be read: {type(error).__name__}.") from error


@contextmanager
def _container(url: str, options: SourceOptions) -> Generator[OpenSource]:
    # Its client is an extra; whoever verifies such a source has run it, and has it.
    from migrations.expected_cosmos import container_documents  # noqa: PLC0415 - see above

    key = StoreSettings.read().cosmos_key
    with container_documents(url, "" if key is None else key.get_secret_value(), options) as found:
        yield OpenSource(
            name=shown_url(url),
            size_bytes=None,
            word="document",
            is_bson=False,
            records=(SourceRecord(*one) for one in enumerate(found, start=1)),
            bytes_read=lambda: 0,
        )


def _found(
    documents: Collection[RawBSONDocument], options: SourceOptions
) -> Iterator[SourceRecord]:
    number = 0
    for query in _queries(documents, options):
        for document in documents.find(query, batch_size=1000).sort("_id", 1):
            number += 1
            yield SourceRecord(number, bytes(document.raw))


def _queries(
    documents: Collection[RawBSONDocument], options: SourceOptions
) -> Iterator[dict[str, Any]]:
    """What finds the wanted sessions, whole."""
    session, user = (options.fields.get(name, name) for name in ("session_id", "user_id"))
    if "$" in session + user or "." in session + user:
        yield {}
    elif options.session is not None:
        yield {session: {"$in": _spellings(options.session)}}
    elif options.user is not None:
        users = _spellings(options.user)
        if options.user == options.default_user:
            users.extend([None, ""])
        theirs = documents.find({user: {"$in": users}}, {session: 1})
        ids = {one.get(session) for one in theirs if not isinstance(one.get(session), dict | list)}
        for some in range(0, len(ids), _IDS_IN_A_QUERY):
            yield {session: {"$in": sorted(ids, key=repr)[some : some + _IDS_IN_A_QUERY]}}
    else:
        yield {}


def _spellings(text: str) -> list[Any]:
    """All values that are kept as this text."""
    found: list[Any] = [text]
    if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text):
        found.append(int(text))
    if re.fullmatch(r"[0-9a-f]{24}", text):
        found.append(ObjectId(text))
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        found.append(Binary.from_uuid(UUID(text)))
    return found
