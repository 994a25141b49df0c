"""Exactly the indexes that the queries need: none without a query, no query without one."""

from pathlib import Path

import pytest

from app.store.mongo.documents import DOCUMENTS
from app.store.port import SessionStore
from tests.fake_clock import FakeClock
from tests.mongo.queries import ID_INDEX, Keys, Query, queries_of
from tests.mongo.scenario import ask_everything
from tests.mongo.watching import SERVERS, WIRE, watching

INDEXES: dict[str, dict[str, Keys]] = {
    "sessions": {
        "activity": [("user_id", 1), ("updated_at", -1), ("session_id", -1)],
        "creation": [("user_id", 1), ("created_at", 1), ("session_id", 1)],
        "newest_messages": [("user_id", 1), ("newest_message_at", -1)],
        "keys": [("user_id", 1), ("session_id", 1)],
        "owners": [("session_id", 1), ("user_id", 1)],
    },
    "segments": {
        "chain": [("user_id", 1), ("generation", 1), ("end_seq", 1)],
        "message_keys": [("message_keys", 1)],
        "terms": [("user_id", 1), ("terms", 1)],
    },
    "chores": {"due": [("due_at", 1)]},
    "ledgers": {
        "run": [("run_id", 1), ("number", 1)],
        "runs": [("number", 1), ("run_id", 1)],
        "owners": [("parts.user_id", 1)],
    },
    "documents": {
        "kinds": [("user_id", -1), ("kind", -1), ("list_order", -1), ("document_id", -1)],
        "groups": [
            *(("user_id", -1), ("kind", -1), ("group", -1)),
            *(("list_order", -1), ("document_id", -1)),
        ],
        "keys": [("user_id", 1), ("kind", 1), ("document_id", 1)],
    },
    "meta": {},
}

_KINDS = "user_id, kind, list_order, document_id"
_GROUPS = "user_id, kind, group, list_order, document_id"

EXPECTED = {
    "sessions: deleted_at, user_id by user_id, updated_at, session_id": "activity",
    "sessions: $and, deleted_at, user_id by user_id, updated_at, session_id": "activity",
    "sessions: $or, deleted_at, updated_at, user_id by user_id, updated_at, session_id": "activity",
    "sessions: deleted_at, user_id by user_id, created_at, session_id": "creation",
    "sessions: $and, deleted_at, user_id by user_id, created_at, session_id": "creation",
    "sessions: $or, created_at, deleted_at, user_id by user_id, created_at, session_id": "creation",
    "sessions: newest_message_at, user_id by user_id, newest_message_at": "newest_messages",
    "sessions: session_id by session_id, user_id": "owners",
    "sessions: deleted_at, user_id": "keys",
    "segments: generation, user_id": "chain",
    "segments: end_seq, generation, user_id": "chain",
    "segments: end_seq, first_seq, generation, user_id": "chain",
    "segments: generation, until_revision, user_id": "chain",
    "segments: $or, generation, user_id": "chain",
    "segments: generation, message_keys, user_id": "message_keys",
    "segments: $and, user_id": "terms",
    "chores: due_at": "due",
    "ledgers: number, run_id by run_id, number": "run",
    "ledgers: number, run_id": "run",
    "ledgers: run_id by run_id, number": "run",
    "ledgers: run_id": "run",
    "ledgers: number by number, run_id": "runs",
    "ledgers: parts.user_id": "owners",
    f"documents: kind, user_id by {_KINDS}": "kinds",
    f"documents: $or, kind, user_id by {_KINDS}": "kinds",
    f"documents: group, kind, user_id by {_GROUPS}": "groups",
    f"documents: $or, group, kind, user_id by {_GROUPS}": "groups",
    "documents: user_id": "keys",
}
"""By shape, for all but those that name an `_id`, which its own index serves."""

WALKS = {
    "sessions: session_id by user_id, session_id": "keys",  # the first page of all keys
    "sessions: $or, user_id by user_id, session_id": "keys",  # and the next ones
    "documents:  by user_id, kind, document_id": "keys",
    "documents: $or by user_id, kind, document_id": "keys",
    "sessions: deleted_at by _id": None,  # the first page of all marks: `_id` puts them in order
}
"""Of operators, who copy or verify a whole store: an index gives the order, all is looked at."""


@pytest.fixture(params=SERVERS)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def asked(tmp_path: Path) -> tuple[set[str], list[Query]]:
    """The methods that were called, and all queries that they needed."""
    async with watching(WIRE, tmp_path) as server:
        clock = FakeClock()
        store = await server.open(segment_bytes=2048, clock=clock)
        names = await ask_everything(store, clock)
        await store.aclose()
    return names, list(queries_of(server.watch.commands))


async def test_a_start_makes_the_declared_indexes_and_no_others(
    engine_name: str, tmp_path: Path
) -> None:
    async with watching(engine_name, tmp_path) as server:
        store = await server.open(segment_bytes=2048)
        database = server.database()
        found = {
            name: {
                index: [(field, int(order)) for field, order in made["key"]]
                for index, made in (await database[name].index_information()).items()
                if index != "_id_"
            }
            for name in INDEXES
        }
        await store.aclose()
        await database.client.close()

    assert found == INDEXES


def test_the_declarations_are_these_indexes() -> None:
    declared = {
        model.get_settings().name: {
            index.index.document["name"]: list(index.index.document["key"].items())
            for index in model.get_settings().indexes
        }
        for model in DOCUMENTS
    }

    assert declared == INDEXES


async def test_every_method_is_asked_here(asked: tuple[set[str], list[Query]]) -> None:
    names, _ = asked

    methods = {
        name
        for name, member in vars(SessionStore).items()
        if callable(member) and not name.startswith("_") and name != "aclose"
    }
    assert names == methods


async def test_every_query_is_served_by_an_index_and_every_index_has_a_query(
    asked: tuple[set[str], list[Query]],
) -> None:
    _, queries = asked

    by_shape = {query.shape: query for query in queries if "_id" not in query.condition}
    assert set(by_shape) == set(EXPECTED) | set(WALKS)
    served = {
        shape: query.is_served_by(INDEXES[query.collection][EXPECTED[shape]])
        for shape, query in by_shape.items()
        if shape not in WALKS
    }
    assert served == dict.fromkeys(EXPECTED, True)
    walked = {
        shape: query.is_ordered_by(INDEXES[query.collection][index] if index else ID_INDEX)
        for shape, index in WALKS.items()
        for query in (by_shape[shape],)
    }
    assert walked == dict.fromkeys(WALKS, True)
    assert set(EXPECTED.values()) == {name for indexes in INDEXES.values() for name in indexes}


async def test_what_names_an_id_is_served_by_it(asked: tuple[set[str], list[Query]]) -> None:
    _, queries = asked

    unserved = [
        query.shape
        for query in queries
        if "_id" in query.condition and not query.is_served_by(ID_INDEX)
    ]
    assert unserved == []


async def test_all_that_concerns_one_session_names_its_user(
    asked: tuple[set[str], list[Query]],
) -> None:
    _, queries = asked

    without_user = {
        query.shape
        for query in queries
        if query.collection in {"sessions", "segments"} and "user_id" not in query.condition
    }
    assert without_user == {
        "sessions: session_id by session_id, user_id",
        "sessions: session_id by user_id, session_id",
        "sessions: deleted_at by _id",
        "sessions: _id, deleted_at by _id",
        "sessions: _id, deleted_at",
        "sessions: _id",
    }


@pytest.mark.parametrize(
    ("condition", "sort", "index", "is_served"),
    [
        ({"a": 1}, [], [("a", 1), ("b", 1)], True),
        ({"b": 1}, [], [("a", 1), ("b", 1)], False),
        ({"a": {"$gt": 1}}, [], [("a", 1)], True),
        ({"a": {"$ne": 1}}, [], [("a", 1)], False),
        ({"$or": [{"a": 1}]}, [], [("a", 1)], False),
        ({"$and": [{"a": 1}]}, [], [("a", 1)], True),
        ({"a": 1}, [("b", 1)], [("a", 1), ("b", 1)], True),
        ({"a": 1}, [("b", -1), ("c", -1)], [("a", 1), ("b", 1), ("c", 1)], True),
        ({"a": 1}, [("b", -1), ("c", 1)], [("a", 1), ("b", 1), ("c", 1)], False),
        ({"a": 1}, [("c", 1)], [("a", 1), ("b", 1), ("c", 1)], False),
        ({"a": 1}, [("a", 1), ("b", -1)], [("a", 1), ("b", 1)], True),
        ({"a": {"$gt": 1}}, [("a", 1)], [("a", 1)], True),
        ({}, [("a", 1)], [("a", 1)], False),
    ],
)
def test_the_rules_are_those_of_the_manual(
    condition: dict[str, object],
    sort: list[tuple[str, int]],
    index: list[tuple[str, int]],
    is_served: bool,
) -> None:
    assert Query("any", condition, sort).is_served_by(index) is is_served
