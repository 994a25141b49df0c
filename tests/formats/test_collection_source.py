"""A live collection is read as it is, asked for no more than is wanted, and its errors are told."""

import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import bson
import pytest
from bson.binary import Binary
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection

from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import ConfigurationError, SourceError
from app.formats.collection_source import CollectionSource, forms_of, is_collection
from app.formats.port import Notation
from tests.engines.running import url_of
from tests.stores import ENGINES

OBJECT_ID = "66f0c0ffee00000000000001"
UUID_TEXT = "7c1d6a54-aaaa-4bbb-8ccc-000000000001"
UNREACHABLE = "mongodb://ada:secret@127.0.0.1:1/db.messages?serverSelectionTimeoutMS=50"

Documents = Collection[dict[str, Any]]


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def documents(engine_name: str) -> Iterator[Documents]:
    with MongoClient[dict[str, Any]](url_of(engine_name)) as client:
        name = f"source-{secrets.token_hex(4)}"
        yield client[name]["old.messages"]
        client.drop_database(name)


@pytest.fixture
def url(engine_name: str, documents: Documents) -> str:
    return f"{url_of(engine_name)}{documents.database.name}.{documents.name}"


def read(url: str, options: SourceOptions = AS_IT_IS) -> list[dict[str, Any]]:
    with CollectionSource(url, options) as source:
        assert source.notation is Notation.BSON
        records = list(source)
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    return [bson.decode(record.raw or b"") for record in records]


def test_documents_come_in_the_order_of_their_ids(documents: Documents, url: str) -> None:
    written = [{"_id": number, "text": "x" * 1000} for number in (5, 3, 9, *range(100, 3100))]
    documents.insert_many(written)

    assert read(url) == sorted(written, key=lambda one: int(str(one["_id"])))


def test_a_session_is_asked_for_in_all_its_forms(documents: Documents, url: str) -> None:
    documents.insert_many(
        [
            {"_id": 1, "session_id": "7"},
            {"_id": 2, "session_id": 7},
            {"_id": 3, "session_id": Int64(7)},
            {"_id": 4, "session_id": "8"},
            {"_id": 5},
            {"_id": 6, "chat": "7"},
        ]
    )

    found = read(url, SourceOptions(session="7"))
    renamed = read(url, SourceOptions(session="7", fields={"session_id": "chat"}))

    assert [one["_id"] for one in found] == [1, 2, 3]
    assert [one["_id"] for one in renamed] == [6]


def test_the_sessions_of_a_user_are_read_whole(documents: Documents, url: str) -> None:
    documents.insert_many(
        [
            {"_id": 1, "session_id": "a", "user_id": "ada"},
            {"_id": 2, "session_id": "a"},
            {"_id": 3, "session_id": "a", "user_id": "bob"},
            {"_id": 4, "session_id": "b", "user_id": "bob"},
            {"_id": 5, "session_id": "c"},
        ]
    )

    assert [one["_id"] for one in read(url, SourceOptions(user="ada"))] == [1, 2, 3]
    options = SourceOptions(user="ada", default_user="ada")
    assert sorted(one["_id"] for one in read(url, options)) == [1, 2, 3, 5]


def test_a_field_that_no_query_can_name_is_not_asked_for(documents: Documents, url: str) -> None:
    documents.insert_many([{"_id": 1, "session_id": "a"}, {"_id": 2, "session_id": "b"}])

    found = read(url, SourceOptions(session="a", fields={"session_id": "chat.id"}))

    assert [one["_id"] for one in found] == [1, 2]


def test_nothing_is_written_to_the_database(documents: Documents, url: str) -> None:
    documents.insert_many([{"_id": number, "session_id": "a"} for number in range(10)])
    before = list(documents.find())

    read(url, SourceOptions(user="ada", session="a"))

    assert list(documents.find()) == before
    assert documents.database.list_collection_names() == [documents.name]


def test_the_fingerprint_tells_of_documents_that_came(documents: Documents, url: str) -> None:
    documents.insert_many([{"_id": number} for number in range(10)])
    with CollectionSource(url, AS_IT_IS) as source:
        before, again = source.fingerprint(), source.fingerprint()
        documents.insert_one({"_id": 10})
        with_another = source.fingerprint()
        documents.delete_one({"_id": 3})

        assert before == again
        assert len({before, with_another, source.fingerprint()}) == 3


@pytest.mark.parametrize("wrong", ["database", "collection"])
def test_what_is_not_there_is_told(documents: Documents, engine_name: str, wrong: str) -> None:
    documents.insert_one({"_id": 1})
    database = "none" if wrong == "database" else documents.database.name
    url = f"{url_of(engine_name)}{database}.none"

    with (
        pytest.raises(SourceError, match=f"database {database} has no collection none"),
        CollectionSource(url, AS_IT_IS),
    ):
        pass


def test_a_server_that_cannot_be_reached_is_told_without_the_password() -> None:
    with pytest.raises(SourceError) as caught, CollectionSource(UNREACHABLE, AS_IT_IS):
        pass

    assert str(caught.value) == (
        "No server of mongodb://ada:***@127.0.0.1:1/db.messages can be reached."
    )


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://ada:secret@127.0.0.1:1",
        "mongodb://ada:secret@127.0.0.1:1/db",
        "mongodb://ada:secret@127.0.0.1:1/db.",
        "mongodb://ada:secret@127.0.0.1:x/db.messages",
        "mongodb://ada:sec:ret@127.0.0.1/db.messages",
        "mongodb://ada:secret@127.0.0.1/db.messages?nonsense=1",
    ],
)
def test_a_url_that_names_no_collection_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL mongodb://ada:") as caught:
        CollectionSource(url, AS_IT_IS)

    assert "sec" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("s1", ["s1"]),
        ("7", ["7", 7]),
        ("-7", ["-7", -7]),
        ("07", ["07"]),
        ("٣", ["٣"]),
        ("9" * 5000, ["9" * 5000]),
        (str(2**63 - 1), [str(2**63 - 1), 2**63 - 1]),
        (str(2**63), [str(2**63)]),
        (OBJECT_ID, [OBJECT_ID, ObjectId(OBJECT_ID)]),
        (OBJECT_ID.upper(), [OBJECT_ID.upper()]),
        (UUID_TEXT, [UUID_TEXT, Binary.from_uuid(UUID(UUID_TEXT))]),
        ("{" + UUID_TEXT + "}", ["{" + UUID_TEXT + "}"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_id_may_be_stored_in_several_forms(text: str, forms: list[Any]) -> None:
    assert forms_of(text) == forms


def test_only_urls_of_mongodb_are_collections() -> None:
    assert is_collection("mongodb://host/db.messages")
    assert is_collection("mongodb+srv://host/db.messages")
    assert not is_collection("mongodb.jsonl")
    assert not is_collection("-")
