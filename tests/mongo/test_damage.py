"""Law 10 within a database: whatever part of a session is damaged, that is what is said of it.

It is never absence, strife, a mistake of ours or a wait; and its neighbours are served.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from app.domain.identity import Version
from app.domain.ledger import LedgerEntry
from app.domain.search import parse_query
from app.errors import CorruptDocumentError, CorruptStoreError, StoreError, StoreVersionError
from app.main import create_app
from app.store.mongo.store import MongoStore
from app.store.port import (
    HEADER_ONLY,
    ListOrder,
    MessageWindow,
    ReadSelection,
)
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, FakeClock, instant
from tests.laws.conftest import SETTINGS, client_of
from tests.mongo.facade import database_in_memory

Document = dict[str, Any]
Path = tuple[str | int, ...]

SEGMENT_BYTES = 16 * 1024
NEIGHBOUR = KEY._replace(session_id="neighbour")
DEADLINE_SECONDS = 20
ABSENT: Any = object()


class Damage(NamedTuple):
    """One member of one document is gone, null, or of another kind."""

    collection: str
    number: int
    """Which of its documents: the head is 0, segments are counted from the oldest."""
    path: Path
    value: Any

    def __str__(self) -> str:
        said = {ABSENT: "missing", None: "null"}.get(self.value, "wrong")
        return f"{self.collection}-{self.number}-{'.'.join(map(str, self.path))}-{said}"


async def make_sound(database: AsyncDatabase[Document]) -> None:
    """Ada's session with two segments, corrections and past texts in both, more in the head."""
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
    await store.insert(make_new_session(NEIGHBOUR, messages=make_messages(2)))
    await store.insert(
        make_new_session(
            KEY,
            messages=[make_message(f"m{number}", metadata={"k": "v"}) for number in range(120)],
            session_name="Plans",
            tags=["red"],
            context={"a": 1},
            metadata={"b": 2},
        )
    )
    await store.edit_message(KEY, "m2", make_edit("second thoughts", at=instant(1)))
    await store.append(KEY, make_messages(6, first=120), at=START)
    await store.settle()
    await store.append(KEY, make_messages(2, first=126), at=START)
    await store.edit_message(KEY, "m5", make_edit("third thoughts", at=instant(2)))
    await store.edit_message(KEY, "m126", make_edit("last thoughts", at=instant(3)))
    await store.settle()
    await store.aclose()


async def sound_documents() -> dict[str, list[Document]]:
    """By collection; Ada's long session is the first, and so is its oldest segment."""
    database = database_in_memory()
    await make_sound(database)
    names = ("sessions", "segments", "meta")
    documents = {name: await database[name].find({}).to_list() for name in names}
    documents["sessions"].sort(key=lambda one: str(one["session_id"]), reverse=True)
    documents["segments"].sort(key=lambda one: int(one["end_seq"]))
    return documents


def damages(collection: str, number: int, document: Document) -> Iterator[Damage]:
    """Each member missing, null, and of another kind; those of the longest message, too."""
    for name, value in document.items():
        if name in UNSEEN[collection]:
            continue
        for damaged in (ABSENT, None, _of_another_kind(value)):
            if damaged is not value:
                yield Damage(collection, number, (name,), damaged)
        if name in {"messages", "corrections", "past_texts"}:
            # The one with the most members has all that there can be.
            index = max(range(len(value)), key=lambda at: len(value[at]), default=None)
            if index is not None:
                yield Damage(collection, number, (name, index), {})
                for member, inner in value[index].items():
                    for damaged in (ABSENT, _of_another_kind(inner)):
                        yield Damage(collection, number, (name, index, member), damaged)


def _of_another_kind(value: Any) -> Any:
    return 7 if isinstance(value, str) or value is None else "of another kind"


UNSEEN = {
    # The key of the partition: who changes it gives the session to somebody else. And what is only
    # looked at by one who makes the session again.
    "sessions": {"_id", "user_id", "creation_digest", "header_change"},
    # What a search and a look-up of ids find segments by: they are not read, they are looked up.
    "segments": {"_id", "terms", "message_keys"},
}
HARMLESS = {
    # Absence or null is a value of theirs, too.
    *("session_name", "project_id", "workspace_id", "last_message_at", "newest_message_at"),
    *("user_id", "parent_id", "edited_at", "deleted_at", "metadata", "extras", "change"),
    *(
        "digest",
        "unmerged_from",
        "unmerged_bytes",
        "previous_until",
        "until_revision",
        "size_bytes",
    ),
    *("revision", "seq"),
}
"""Members of which some damage is not seen by any call, or does not matter to it."""


class Damaged:
    """A store in which something is damaged, for one call after another."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        sound: dict[str, list[Document]],
        damage: Damage,
    ) -> None:
        self._database = database
        self._documents = copy.deepcopy(sound)
        _do(damage, self._documents)

    async def restore(self) -> None:
        """Undo what calls have changed; the damage stays."""
        for name in ("sessions", "segments", "chores", "meta"):
            await self._database[name].delete_many({})
            if self._documents.get(name):
                await self._database[name].insert_many(self._documents[name])


def _do(damage: Damage, documents: dict[str, list[Document]]) -> None:
    *way, last = damage.path
    part: Any = documents[damage.collection][damage.number]
    for step in way:
        part = part[step]
    if damage.value is ABSENT:
        del part[last]
    else:
        part[last] = damage.value


def reads(store: MongoStore, version: Version) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Calls that change nothing."""
    early = ReadSelection(since=version)
    return {
        "read": lambda: store.read(KEY),
        "since": lambda: store.read(KEY, early),
        "after": lambda: store.read(KEY, ReadSelection(after_seq=40)),
        "header": lambda: store.read(KEY, HEADER_ONLY),
        "find_version": lambda: store.find_version(KEY),
        "list": lambda: store.list_summaries(ADA),
        "list_created": lambda: store.list_summaries(ADA, order=ListOrder.CREATED),
        "page": lambda: store.list_messages(KEY, MessageWindow(limit=3, after_seq=0)),
        "past_texts": lambda: store.list_past_texts(KEY, "m2"),
        "recent": lambda: store.list_recent_messages(ADA, limit=1000),
        "search": lambda: store.search(ADA, parse_query("thoughts")),
        "stats": lambda: store.stats(ADA),
        "image": lambda: store.read_image(KEY),
    }


def writes(store: MongoStore) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Calls that change something where they can."""
    return {
        "append_fresh": lambda: store.append(
            KEY, [make_message("fresh", is_id_fresh=True)], at=START
        ),
        "append_new": lambda: store.append(KEY, [make_message("new")], at=START),
        "append_known": lambda: store.append(KEY, [make_message("m126")], at=START),
        "append_child": lambda: store.append(
            KEY, [make_message("child", parent_id="m4")], at=START
        ),
        "edit_sealed": lambda: store.edit_message(KEY, "m2", make_edit("x", at=START)),
        "edit_live": lambda: store.edit_message(KEY, "m126", make_edit("x", at=START)),
        "delete_sealed": lambda: store.delete_message(KEY, "m5", START),
        "delete_last": lambda: store.delete_message(KEY, "m127", START),
        "change_header": lambda: store.change_header(KEY, make_put(session_name="x")),
        "delete": lambda: store.delete(KEY, START),
        "erase": lambda: store.erase_user(ADA, START),
    }


@pytest.mark.parametrize(
    ("collection", "number"), [("sessions", 0), ("segments", 0), ("segments", 1), ("segments", 2)]
)
async def test_what_is_damaged_is_named_and_neighbours_are_served(
    collection: str, number: int
) -> None:
    sound = await sound_documents()
    assert len(sound["segments"]) == 3

    findings = [
        finding
        for damage in damages(collection, number, sound[collection][number])
        for finding in await findings_of(damage, sound)
    ]

    assert findings == []


async def findings_of(damage: Damage, sound: dict[str, list[Document]]) -> list[str]:
    """What calls do otherwise than they should where there is this damage."""
    outcomes = await outcomes_with(damage, sound)
    errors = {name: one for name, one in outcomes.items() if isinstance(one, Exception)}
    named = {name for name, error in errors.items() if isinstance(error, CorruptDocumentError)}
    wrong = [f"{name}: {errors[name]!r}" for name in errors.keys() - named]
    if not named and not HARMLESS.intersection(damage.path):
        wrong.append("nobody sees it")
    counts = {"list": 2, "list_created": 2, "stats": 2, "erase": 2}
    wrong += [
        f"{name}: one session is left out"
        for name, count in counts.items()
        if name not in errors and session_count(outcomes[name]) != count
    ]
    # Without its generation, nobody can say which segments are the session's.
    if "erase" in named and damage.path != ("generation",):
        wrong.append("erase: it must go, too")
    return [f"{damage} {finding}" for finding in wrong]


async def outcomes_with(damage: Damage, sound: dict[str, list[Document]]) -> dict[str, Any]:
    """What each call returns or raises."""
    database = database_in_memory()
    damaged = Damaged(database, sound, damage)
    await damaged.restore()
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
    version = Version(sound["sessions"][0]["generation"], 1)
    outcomes: dict[str, Any] = {}
    async with asyncio.timeout(DEADLINE_SECONDS):
        for name, call in reads(store, version).items():
            outcomes[name] = await outcome_of(call)
        for name, call in writes(store).items():
            outcomes[name] = await outcome_of(call)
            if name != "erase":
                assert len((await store.read(NEIGHBOUR)).messages()) == 2
            await store.settle()
            await damaged.restore()
    await store.aclose()
    return outcomes


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> Any:
    """What a call returns, or its error."""
    try:
        return await call()
    except Exception as error:  # noqa: BLE001 - whichever it is, is what the test asks
        return error


def session_count(outcome: Any) -> int:
    """How many sessions a list has, or a count tells of."""
    count: int = len(outcome.items) if hasattr(outcome, "items") else outcome.session_count
    return count


# --- what does not fit together -----------------------------------------------------------------

WRONG_WHOLES: dict[str, Callable[[Document, list[Document]], None]] = {
    "a step too many": lambda head, _: head["steps"].append(0),
    "a step too few": lambda head, _: head["steps"].clear(),
    "a step that appended more than there is": lambda head, _: head["steps"].__setitem__(0, 99),
    "a message too few": lambda head, _: head["messages"].pop(),
    "a place too many": lambda head, _: head.update(next_seq=head["next_seq"] + 1),
    "more sealed than there is": lambda head, _: head.update(sealed_count=99, next_seq=102),
    "no segment": lambda _, segments: segments.clear(),
    "the oldest segment missing": lambda _, segments: _drop(segments, 0),
    "a segment missing": lambda _, segments: _drop(segments, 1),
    "the newest segment missing": lambda _, segments: _drop(segments, 2),
    "a segment before itself": lambda _, segments: _link(segments, 2, 2),
    "a segment before the one before it": lambda _, segments: _link(segments, 1, 2),
    "segments that do not join": lambda _, segments: segments[1].update(end_seq=58),
    "a beginning that is missing": lambda _, segments: _keep_from(segments, 1),
    "metadata that is not JSON": lambda head, _: head.update(metadata='{"a":'),
    "metadata that is not an object": lambda head, _: head.update(metadata="[1]"),
    "a message's metadata that is not JSON": lambda _, segments: segments[0]["messages"][0].update(
        metadata="{"
    ),
    "an origin of another form": lambda head, _: head.update(origin={"other": 1}),
    "a type of message that there is not": lambda head, _: head["messages"][0].update(
        message_type=None
    ),
}


def _drop(segments: list[Document], number: int) -> None:
    del segments[number]


def _keep_from(segments: list[Document], number: int) -> None:
    del segments[:number]
    segments[0]["previous"] = None


def _link(segments: list[Document], number: int, previous: int) -> None:
    segments[number]["previous"] = segments[previous]["_id"]


@pytest.mark.parametrize("damage", WRONG_WHOLES.values(), ids=WRONG_WHOLES.keys())
async def test_what_does_not_fit_together_is_a_500_with_its_name_and_in_time(
    damage: Callable[[Document, list[Document]], None],
) -> None:
    documents = await sound_documents()
    damage(documents["sessions"][0], documents["segments"])
    database = database_in_memory()
    for name, some in documents.items():
        if some:
            await database[name].insert_many(some)
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
    app = create_app(SETTINGS, store, FakeClock())

    async with client_of(app, ADA) as client, asyncio.timeout(DEADLINE_SECONDS):
        read = await client.get("/api/chat/sessions/session")
        export = await client.get("/api/chat/sessions/session/export")
        neighbour = await client.get("/api/chat/sessions/neighbour")
    await store.aclose()

    for answer in (read, export):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "document_corrupt"
    assert neighbour.status_code == 200
    assert neighbour.json()["message_count"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda head, _: head["messages"][0].update(change=99),
        lambda _, segments: _link(segments, 0, 2),
    ],
    ids=["a change that never was", "an endless chain"],
)
async def test_what_a_read_need_not_see_is_named_where_all_is_looked_at(
    damage: Callable[[Document, list[Document]], None],
) -> None:
    documents = await sound_documents()
    damage(documents["sessions"][0], documents["segments"])
    database = database_in_memory()
    for name, some in documents.items():
        await database[name].insert_many(some)
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)

    assert len((await store.read(KEY)).messages()) == 128
    with pytest.raises(CorruptDocumentError):
        await store.read_image(KEY)
    await store.aclose()


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_what_a_missing_segment_held_is_never_said_to_be_absent(number: int) -> None:
    documents = await sound_documents()
    missing = documents["segments"].pop(number)
    lost_id = missing["messages"][-1]["id"]
    database = database_in_memory()
    for name, some in documents.items():
        await database[name].insert_many(some)
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
    child = make_message("child", parent_id=lost_id)

    with pytest.raises(CorruptDocumentError):
        await store.edit_message(KEY, lost_id, make_edit("x"))
    with pytest.raises(CorruptDocumentError):
        await store.delete_message(KEY, lost_id, START)
    with pytest.raises(CorruptDocumentError):
        await store.list_past_texts(KEY, lost_id)
    with pytest.raises(CorruptDocumentError):
        await store.append(KEY, [child], at=START)
    await store.aclose()


# --- ledgers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *({"$unset": {name: 1}} for name in ("run_id", "number", "revision", "body", "parts")),
        *({"$set": {name: "text"}} for name in ("revision", "body", "parts")),
        {"$set": {"parts": [{"user_id": ADA}]}},
    ],
)
async def test_a_damaged_entry_of_a_ledger_is_named(change: Document) -> None:
    database = database_in_memory()
    store = await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
    for number in range(2):
        await store.put_ledger_entry(LedgerEntry("run", number, 1, b"{}", {ADA: b"x"}))
    await database["ledgers"].update_one({"_id": "run/0"}, change)

    with pytest.raises(CorruptDocumentError, match="ledger entry"):
        await store.read_ledger_entry("run", 0)
    with pytest.raises(CorruptDocumentError, match="ledger entry"):
        await store.put_ledger_entry(LedgerEntry("run", 0, 9, b"{}", {}))

    assert (await store.read_ledger_entry("run", 1)) is not None
    assert await store.put_ledger_entry(LedgerEntry("run", 1, 2, b"{}", {}))
    await store.aclose()


# --- a store without what it is found by --------------------------------------------------------


async def test_sessions_without_the_document_that_they_are_found_by_are_named() -> None:
    database = database_in_memory()
    await make_sound(database)
    await database["meta"].delete_many({})

    with pytest.raises(CorruptStoreError) as refused:
        await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)

    assert "restore the collection `meta` from a backup" in str(refused.value)
    assert await database["meta"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"$unset": {"secret": 1}}, CorruptStoreError),
        ({"$set": {"secret": "text"}}, CorruptStoreError),
        ({"$set": {"layout": 2}}, StoreVersionError),
        ({"$unset": {"layout": 1}}, StoreVersionError),
    ],
)
async def test_a_damaged_identity_is_named(change: Document, error: type[StoreError]) -> None:
    database = database_in_memory()
    await make_sound(database)
    await database["meta"].update_one({"_id": "store"}, change)

    with pytest.raises(error):
        await MongoStore.over(database, segment_bytes=SEGMENT_BYTES)
