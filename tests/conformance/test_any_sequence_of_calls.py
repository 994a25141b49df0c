"""Whatever is called in whatever order, every store answers as the memory store does."""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.domain.encoded import EncodedSession
from app.domain.following import Bookmark
from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.ledger import LedgerEntry
from app.domain.message import MessageEdit, NewMessage, Wording
from app.domain.page import Page, Position
from app.domain.search import parse_query
from app.domain.session import HeaderChange, NewSession, Precondition, SessionHeader
from app.errors import AppError, InvalidInputError
from app.store.memory import MemoryStore
from app.store.port import (
    Appended,
    Erasure,
    ListFilter,
    ListOrder,
    MessagePage,
    MessageWindow,
    OwnedMessage,
    PutOutcome,
    ReadSelection,
    SessionStore,
    UserStats,
)
from tests.factories import make_new_session
from tests.fake_clock import instant
from tests.store_kind import StoreKind
from tests.stores import ENGINES, STORES
from tests.strategies import (
    free_json,
    header_changes,
    instants,
    list_filters,
    messages,
    search_texts,
    session_fields,
    words,
)

EXAMPLES = (4 if ENGINES else 20) * (10 if os.environ.get("SOAK") else 1)
"""The same ones in each run: `make soak` sees more of them."""

KEYS = [SessionKey(user_id, name) for user_id in ("ada", "bob/é") for name in ("s", "S", "会/话")]

keys = st.sampled_from(KEYS)
users = st.sampled_from(["ada", "bob/é", "nobody"])
message_ids = st.sampled_from(["m0", "m1", "m2", "m3", "m4", "M0", "消/息"])
digests = st.sampled_from([None, b"a" * 16, b"b" * 16])
numbers = st.integers(0, 1000)
run_ids = st.sampled_from(["run", "run/1", "Lauf ü"])


def with_parents(message: NewMessage, parent_id: str | None) -> NewMessage:
    return message.model_copy(update={"parent_id": parent_id})


some_messages = st.lists(
    st.builds(with_parents, messages(message_ids), st.none() | st.none() | message_ids), max_size=4
)
many_messages = st.integers(60, 150)


class Comparison(RuleBasedStateMachine):
    """Calls a store and the memory store alike, and compares what comes back."""

    kind: StoreKind
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model: SessionStore = MemoryStore()
        self.store = self.loop.run_until_complete(self.open())
        self.number = 0
        self.images: list[SessionImage] = []
        self.versions = [Version("00000000000000ff", 1)]
        self.positions: dict[str, Position] = {}

    async def open(self) -> SessionStore:
        self.own_folder = Path(tempfile.mkdtemp(dir=self.folder))
        return await self.kind.open(self.own_folder)

    def both(self, call: Callable[[SessionStore], Awaitable[Any]]) -> Any:
        """What the model answers, once the store has answered the same."""
        expected = self.loop.run_until_complete(outcome(call, self.model))
        found = self.loop.run_until_complete(outcome(call, self.store))
        assert comparable(found) == comparable(expected), (comparable(found), comparable(expected))
        return expected

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def guard(self, pick: int) -> Precondition | None:
        """None mostly, else a version that was seen before."""
        if pick % 3:
            return None
        return Precondition(versions=frozenset({self.versions[pick % len(self.versions)]}))

    # --- sessions ---------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for key in KEYS[:4]:
            session = make_new_session(
                key,
                messages=[some_message(f"m{n}") for n in range(3)],
                generation=f"{self.next_number():016x}",
                session_name="folded",
            )
            self.both(partial(insert_into, session=session))

    @rule(
        key=keys,
        fields=session_fields(),
        some=some_messages,
        many=st.none() | many_messages,
        digest=digests,
        created_at=instants(),
        is_fold=st.booleans(),
    )
    def insert(
        self,
        key: SessionKey,
        fields: dict[str, Any],
        some: list[NewMessage],
        many: int | None,
        digest: bytes | None,
        created_at: Any,
        is_fold: bool,
    ) -> None:
        session = make_new_session(
            key,
            messages=[*some, *(some_message(f"b{n}") for n in range(many or 0))],
            generation=f"{self.next_number():016x}",
            created_at=created_at,
            creation_digest=digest,
            **fields,
        )
        if is_fold:
            self.both(lambda store: store.insert_absent([session, session]))
        else:
            self.both(lambda store: store.insert(session))

    @rule(key=keys, pick=numbers, after_seq=st.none() | st.integers(-2, 100), whole=st.booleans())
    def read(self, key: SessionKey, pick: int, after_seq: int | None, whole: bool) -> None:
        since = None if pick % 2 else self.versions[pick % len(self.versions)]
        selection = ReadSelection(after_seq=after_seq, since=since, with_messages=whole)
        self.both(lambda store: store.read(key, selection))

    @rule(key=keys, pick=numbers, back=st.integers(0, 12))
    def read_changes(self, key: SessionKey, pick: int, back: int) -> None:
        """Go on from somewhere before now, be that a bookmark or not, or from one told of."""
        now = self.both(lambda store: store.find_bookmarks([key])).get(key)
        places, changes = divmod(pick % 16, 4)
        after = Bookmark("00000000000000ff", 0, 0)
        if now is not None:
            next_seq, known = max(0, now.next_seq - places), max(0, now.changes - changes)
            after = Bookmark(now.generation, next_seq, known)
        found = self.both(lambda store: changes_told(store, key, after))
        if isinstance(found, list) and len(found) > 2:
            told = found[2 + 3 * (back % (len(found) // 3))]
            self.both(lambda store: changes_told(store, key, told))

    @rule(key=keys, change=header_changes(), pick=numbers)
    def change_header(self, key: SessionKey, change: HeaderChange, pick: int) -> None:
        self.both(lambda store: store.change_header(key, change, self.guard(pick)))

    @rule(key=keys, pick=numbers)
    def delete(self, key: SessionKey, pick: int) -> None:
        self.both(lambda store: store.delete(key, instant(pick), self.guard(pick)))

    @rule(
        user_id=users,
        order=st.sampled_from(ListOrder),
        wanted=st.just(ListFilter()) | list_filters(),
        limit=st.integers(1, 4),
        goes_on=st.booleans(),
    )
    def list_summaries(
        self, user_id: str, order: ListOrder, wanted: ListFilter, limit: int, goes_on: bool
    ) -> None:
        after = self.positions.get(order) if goes_on else None
        page = self.both(
            lambda store: store.list_summaries(
                user_id, order=order, filter=wanted, limit=limit, after=after
            )
        )
        if page.next_position is not None:
            self.positions[order] = page.next_position

    @rule(after=st.none() | keys, limit=st.integers(1, 4))
    def list_keys(self, after: SessionKey | None, limit: int) -> None:
        self.both(lambda store: store.list_keys(after=after, limit=limit))

    @rule(key=keys, limit=st.integers(1, 3))
    def find_owners(self, key: SessionKey, limit: int) -> None:
        self.both(lambda store: store.find_owners(key.session_id, limit=limit))

    # --- messages ---------------------------------------------------------------------------

    @rule(key=keys, batch=some_messages, seconds=st.integers(-5, 5), pick=numbers)
    def append(self, key: SessionKey, batch: list[NewMessage], seconds: int, pick: int) -> None:
        guard = self.guard(pick)
        self.both(lambda store: store.append(key, batch, at=instant(seconds), precondition=guard))

    @rule(key=keys, count=many_messages)
    def append_many(self, key: SessionKey, count: int) -> None:
        first = self.next_number() * 1000
        batch = [
            some_message(f"n{first + index}", is_fresh=index % 2 == 0) for index in range(count)
        ]
        self.both(lambda store: store.append(key, batch, at=instant(0)))

    @rule(
        key=keys,
        which=st.sampled_from(["after_seq", "before_seq", "offset", "none"]),
        seq=st.integers(-2, 200) | st.just(10**12),
        limit=st.sampled_from([1, 2, 63, 64, 65, 1000]),
    )
    def list_messages(self, key: SessionKey, which: str, seq: int, limit: int) -> None:
        if which == "offset":
            seq = max(0, seq)
        window = MessageWindow(limit=limit, **({} if which == "none" else {which: seq}))
        self.both(lambda store: store.list_messages(key, window))

    @rule(
        key=keys,
        message_id=message_ids,
        content=st.none() | search_texts(),
        metadata=st.none() | free_json(),
        at=instants(),
        pick=numbers,
        keeps_past=st.booleans(),
        replaces=st.none() | st.builds(Wording, content=search_texts(), metadata=free_json()),
    )
    def edit_message(
        self,
        key: SessionKey,
        message_id: str,
        content: str | None,
        metadata: dict[str, Any] | None,
        at: Any,
        pick: int,
        keeps_past: bool,
        replaces: Wording | None,
    ) -> None:
        edit = MessageEdit(
            content=content, metadata=metadata, at=at, keeps_past=keeps_past, replaces=replaces
        )
        self.both(lambda store: store.edit_message(key, message_id, edit, self.guard(pick)))

    @rule(key=keys, place=st.integers(0, 200), text=search_texts())
    def edit_a_place(self, key: SessionKey, place: int, text: str) -> None:
        message_id = self.id_at(key, place)
        edit = MessageEdit(content=text, at=instant(1))
        self.both(lambda store: store.edit_message(key, message_id, edit))

    @rule(key=keys, place=st.integers(0, 200))
    def delete_a_place(self, key: SessionKey, place: int) -> None:
        message_id = self.id_at(key, place)
        self.both(lambda store: store.delete_message(key, message_id, instant(2)))

    @rule(key=keys, message_id=message_ids, at=instants(), pick=numbers)
    def delete_message(self, key: SessionKey, message_id: str, at: Any, pick: int) -> None:
        self.both(lambda store: store.delete_message(key, message_id, at, self.guard(pick)))

    @rule(key=keys, message_id=message_ids)
    def read_message(self, key: SessionKey, message_id: str) -> None:
        self.both(lambda store: store.read_message(key, message_id))

    @rule(key=keys, message_id=message_ids)
    def list_past_texts(self, key: SessionKey, message_id: str) -> None:
        self.both(lambda store: store.list_past_texts(key, message_id))

    # --- across a user's sessions -----------------------------------------------------------

    @rule(user_id=users, limit=st.integers(1, 70), offset=st.integers(0, 70))
    def list_recent_messages(self, user_id: str, limit: int, offset: int) -> None:
        self.both(lambda store: store.list_recent_messages(user_id, limit=limit, offset=offset))

    @rule(
        user_id=users,
        text=st.one_of(words(), search_texts(), st.just("of")),
        limit=st.integers(1, 70),
        goes_on=st.booleans(),
    )
    def search(self, user_id: str, text: str, limit: int, goes_on: bool) -> None:
        try:
            query = parse_query(text)
        except InvalidInputError:
            return
        after = self.positions.get("search") if goes_on else None
        page = self.both(lambda store: store.search(user_id, query, limit=limit, after=after))
        if page.next_position is not None:
            self.positions["search"] = page.next_position

    @rule(user_id=users)
    def erase_user(self, user_id: str) -> None:
        self.both(lambda store: store.erase_user(user_id, instant(0)))

    # --- copies of a store ------------------------------------------------------------------

    @rule(key=keys)
    def read_image(self, key: SessionKey) -> None:
        image = self.both(lambda store: store.read_image(key))
        if isinstance(image, SessionImage):
            self.images.append(image)

    @rule(pick=numbers)
    def put_image(self, pick: int) -> None:
        """Of any moment, into what has become of the session since."""
        if self.images:
            image = self.images[pick % len(self.images)]
            self.both(lambda store: store.put_image(image))

    @rule(key=keys, pick=numbers, is_current=st.booleans(), with_earlier=st.booleans())
    def take_back(self, key: SessionKey, pick: int, is_current: bool, with_earlier: bool) -> None:
        """To nothing, or to what any session was at any moment, if it has another generation."""
        version = self.both(partial(version_of, key=key)) if is_current else None
        version = version or self.versions[pick % len(self.versions)]
        earlier: SessionImage | None = None
        if with_earlier and self.images:
            image = self.images[pick % len(self.images)]
            generation = f"{self.next_number():016x}" if pick % 5 else image.header.generation
            header = image.header.model_copy(update={"generation": generation})
            earlier = replace(image, header=header)
            key = header.key if pick % 7 else key
        self.both(lambda store: store.take_back(key, version, earlier))

    @rule(key=keys, count=st.integers(0, 80))
    def fold_and_take_back(self, key: SessionKey, count: int) -> None:
        """What was appended goes, and nothing else."""
        read = self.both(partial(read_whole, key=key))
        if not isinstance(read, EncodedSession):
            return
        first = self.next_number() * 1000
        batch = [some_message(f"n{first + index}") for index in range(count)]
        self.both(lambda store: store.append(key, batch, at=instant(0)))
        generation = f"{self.next_number():016x}"
        image = self.both(lambda store: store.read_image(key))
        earlier = image.before(read.header(), generation=generation)
        version = image.header.version
        assert self.both(lambda store: store.take_back(key, version, earlier))
        again = self.both(partial(read_whole, key=key))
        assert again.messages_json == read.messages_json

    # --- ledgers ----------------------------------------------------------------------------

    @rule(
        run_id=run_ids,
        number=st.integers(0, 2),
        step=st.integers(0, 2),
        body=st.binary(max_size=4),
        parts=st.dictionaries(users, st.binary(max_size=4)),
        replaces=st.none() | st.integers(0, 2),
    )
    def put_ledger_entry(
        self,
        run_id: str,
        number: int,
        step: int,
        body: bytes,
        parts: dict[str, bytes],
        replaces: int | None,
    ) -> None:
        there = self.both(lambda store: store.read_ledger_entry(run_id, number))
        revision = (there.revision if there else 0) + step
        entry = LedgerEntry(run_id, number, revision, body, parts)
        self.both(lambda store: store.put_ledger_entry(entry, replaces=replaces))

    @rule(run_id=run_ids, after=st.integers(-1, 2), limit=st.integers(1, 3))
    def list_ledger_entries(self, run_id: str, after: int, limit: int) -> None:
        self.both(lambda store: store.list_ledger_entries(run_id, after=after, limit=limit))

    @rule(run_id=run_ids)
    def remove_ledger(self, run_id: str) -> None:
        self.both(lambda store: store.remove_ledger(run_id))

    @rule()
    def move_to_another_store(self) -> None:
        """Go on where images have carried every session; marks and ledgers stay behind."""
        self.model = self.loop.run_until_complete(moved(self.model, MemoryStore()))
        former = self.store
        self.store = self.loop.run_until_complete(self.open())
        self.loop.run_until_complete(moved(former, self.store))
        self.loop.run_until_complete(former.aclose())

    # --- life -------------------------------------------------------------------------------

    @rule()
    def settle(self) -> None:
        """Let the store do what it leaves for later; nobody may see a difference."""
        self.loop.run_until_complete(settled(self.kind, self.own_folder))

    @invariant()
    def every_session_is_whole(self) -> None:
        for key in KEYS:
            encoded = self.both(partial(read_whole, key=key))
            if isinstance(encoded, EncodedSession):
                if encoded.version not in self.versions:
                    self.versions.append(encoded.version)
                session = encoded.document()
                living = [m for m in session.messages if not m.is_deleted]
                assert [m.seq for m in session.messages] == list(range(session.next_seq))
                assert session.message_count == len(living)
                assert session.last_message_at == (living[-1].created_at if living else None)

    @invariant()
    def deletions_are_known(self) -> None:
        self.both(lambda store: store.find_deleted(KEYS))

    @invariant()
    def counts_are_true(self) -> None:
        for user_id in ("ada", "bob/é"):
            self.both(partial(stats_of, user_id=user_id))

    def teardown(self) -> None:
        try:
            for key in KEYS:
                self.both(partial(version_of, key=key))
            self.both(lambda store: store.list_keys())
            self.both(lambda store: store.list_ledger_runs())
            self.both(lambda store: store.list_ledger_places())
        finally:
            self.loop.run_until_complete(self.store.aclose())
            self.loop.run_until_complete(dropped(self.kind, self.own_folder))
            self.loop.close()

    def id_at(self, key: SessionKey, place: int) -> str:
        """The id of the message at this place, or of none."""
        encoded = self.loop.run_until_complete(outcome(lambda store: store.read(key), self.model))
        found = encoded.messages() if isinstance(encoded, EncodedSession) else ()
        return found[place % len(found)].id if found else "none"


def some_message(id_: str, *, is_fresh: bool = False) -> NewMessage:
    return NewMessage(
        id=id_, content=f"the text of {id_}", created_at=instant(0), is_id_fresh=is_fresh
    )


async def insert_into(store: SessionStore, session: NewSession) -> SessionHeader:
    return await store.insert(session)


async def read_whole(store: SessionStore, key: SessionKey) -> EncodedSession:
    return await store.read(key)


async def version_of(store: SessionStore, key: SessionKey) -> Version | None:
    return await store.find_version(key)


async def stats_of(store: SessionStore, user_id: str) -> UserStats:
    return await store.stats(user_id)


async def moved(source: SessionStore, target: SessionStore) -> SessionStore:
    """The target, with all sessions of the source."""
    for key in await source.list_keys():
        assert await target.put_image(await source.read_image(key)) is PutOutcome.STORED
    return target


async def settled(kind: StoreKind, folder: Path) -> None:
    await kind.settle(folder)


async def dropped(kind: StoreKind, folder: Path) -> None:
    await kind.drop(folder)


async def outcome(call: Callable[[SessionStore], Awaitable[Any]], store: SessionStore) -> Any:
    try:
        return await call(store)
    except AppError as error:
        return error


async def changes_told(store: SessionStore, key: SessionKey, after: Bookmark) -> list[Any]:
    """How far the session is, whether there is a gap, then bookmark, kind and JSON of each."""
    found = await store.read_changes(key, after)
    changes = found.changes or ()
    members = [(one.bookmark, one.kind, one.json) for one in changes]
    return [found.latest, found.changes is None, *chain.from_iterable(members)]


def comparable(answer: Any) -> Any:
    """An answer as a value that is equal only where nobody could tell two answers apart."""
    match answer:
        case AppError():
            found: Any = (type(answer), str(answer))
        case EncodedSession(version=version, header_json=header, messages_json=encoded):
            found = (version, ordered(header), encoded)
        case Page(items=items, next_position=position):
            found = ([comparable(item) for item in items], position)
        case SessionImage():
            found = answer.digest()
        case bytes():
            found = ordered(answer)
        case Appended() | MessagePage() | LedgerEntry():
            found = answer
        case Erasure():
            found = astuple(answer)[:-1]
        case OwnedMessage(session_id=session_id, message=message):
            found = (session_id, message.to_json())
        case list():
            found = [comparable(item) for item in answer]
        case _:
            found = repr(answer)
    return found


def ordered(encoded: bytes) -> str:
    """JSON with its names in order."""
    return json.dumps(json.loads(encoded), sort_keys=True)


@pytest.mark.parametrize("store_kind", [name for name in STORES if name != "memory"], indirect=True)
def test_any_sequence_of_calls_ends_as_in_the_memory_store(
    store_kind: StoreKind, tmp_path: Path
) -> None:
    class OneKind(Comparison):
        kind = store_kind
        folder = tmp_path

    run_state_machine_as_test(
        OneKind,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None),
    )
