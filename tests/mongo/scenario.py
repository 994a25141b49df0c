"""Everything there is to ask a store, so that it can be seen what it asks and what it keeps."""

from contextlib import aclosing, suppress
from itertools import product
from typing import Any, cast

from app.domain.following import Bookmark
from app.domain.ledger import LedgerEntry, LedgerPlace
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.search import parse_query
from app.errors import SessionExistsError
from app.store.mongo.store import MongoStore
from app.store.port import (
    HEADER_ONLY,
    WHOLE,
    ListFilter,
    ListOrder,
    MessageWindow,
    ReadSelection,
    SessionStore,
)
from tests.factories import (
    ADA,
    BOB,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, FakeClock, instant

LONG = KEY
SHORT = KEY._replace(session_id="short")
FILTERS = [
    ListFilter(),
    ListFilter(is_active=True, tag="red", is_pinned=False, project_id="p", name_contains="PLAN"),
    ListFilter(workspace_id="w"),
]


class Asked:
    """A store that knows which of its methods were used."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._store, name)


async def ask_everything(store: MongoStore, clock: FakeClock) -> set[str]:
    """Call every method, in the ways that differ below; returns their names."""
    asked = Asked(store)
    port = cast("SessionStore", asked)
    await write(port)
    await store.settle()
    await read(port)
    await keep_documents(port)
    await copy(port)
    await fold(port)
    await remove(port)
    clock.advance(7200)
    while await store.tidy():
        pass
    return asked.names


async def write(store: SessionStore) -> None:
    await store.insert(
        make_new_session(
            LONG,
            messages=make_messages(40),
            session_name="Plans",
            tags=["red"],
            context={"a": 1},
            metadata={"b": "c"},
        )
    )
    await store.insert(
        make_new_session(SHORT, messages=make_messages(2), creation_digest=b"d" * 16)
    )
    folded = [make_new_session(KEY._replace(session_id=f"f{number}")) for number in range(2)]
    long = make_new_session(KEY._replace(session_id="long"), messages=make_messages(60))
    await store.insert_absent([*folded, long])
    for number in range(40):
        await store.append(LONG, [make_message(f"n{number}", metadata={"k": [1]})], at=START)
    await store.append(LONG, [make_message("fresh", is_id_fresh=True)], at=START)
    await store.append(LONG, [make_message("child", parent_id="m3", user_id="x")], at=START)
    await store.append(LONG, make_messages(2), at=START)  # sealed by now
    for key, message_id in product((SHORT, LONG), ("m0", "m1")):
        await store.edit_message(key, message_id, make_edit("other", at=instant(1)))
    await store.edit_message(LONG, "child", make_edit(metadata={"l": [[1]]}, at=instant(2)))
    await store.edit_message(LONG, "n3", make_edit("a long text " * 1000, at=instant(2)))
    for key in (SHORT, LONG):
        await store.delete_message(key, "m1", instant(3))
        await store.change_header(key, make_put(instant(4), session_name="Other", context={"$": 1}))
    await store.delete_message(LONG, "child", instant(3))


async def read(store: SessionStore) -> None:
    for key in (SHORT, LONG):
        version = await store.find_version(key)
        assert version is not None
        early = ReadSelection(since=version._replace(revision=1))
        for selection in (WHOLE, HEADER_ONLY, ReadSelection(after_seq=1), early):
            await store.read(key, selection)
        await store.list_messages(key, MessageWindow(limit=3, offset=1))
        await store.list_past_texts(key, "m0")
        await store.read_message(key, "m0")
        await store.read_changes(key, Bookmark(version.generation, 1, 0))
    await store.find_bookmarks([SHORT, LONG])
    async with aclosing(await store.watch()) as changes:
        await anext(changes)
    for order, wanted in product(ListOrder, FILTERS):
        page = await store.list_summaries(ADA, order=order, filter=wanted, limit=2)
        if page.next_position is not None:
            await store.list_summaries(
                ADA, order=order, filter=wanted, limit=2, after=page.next_position
            )
    await store.list_keys(after=(await store.list_keys(limit=1))[0])
    await store.find_owners("session")
    await store.find_deleted([SHORT, KEY._replace(user_id=BOB)])
    await store.list_recent_messages(ADA, limit=3)
    for query in ("other", "text of-m1", "中"):
        await store.search(ADA, parse_query(query))
    await store.stats(ADA)
    await store.check()
    await store.sizes()


async def keep_documents(store: SessionStore) -> None:
    for number in range(3):
        key = DocumentKey(ADA, "project", f"p{number}")
        document = OwnedDocument.new(key, {"n": number}, group="g", order="2026")
        await store.put_document(document, replaces=None)
        await store.put_document(document.changed({}), replaces=document.version)
        await store.read_document(key)
    await store.remove_document(key, document.changed({}).version)
    for group in (None, "g"):
        page = await store.list_documents(ADA, "project", group=group, limit=1)
        position = page.next_position
        await store.list_documents(ADA, "project", group=group, limit=1, after=position)
    await store.list_document_keys(after=(await store.list_document_keys(limit=1))[0])


async def copy(store: SessionStore) -> None:
    image = await store.read_image(LONG)
    await store.append(LONG, [make_message("later")], at=START)
    newer = await store.read_image(LONG)
    await store.put_image(newer)
    with suppress(SessionExistsError):
        await store.put_image(image)
    await store.put_marks(await store.list_marks())


async def fold(store: SessionStore) -> None:
    for key in (KEY._replace(session_id="f1"), KEY._replace(session_id="long")):
        header = (await store.read(key, HEADER_ONLY)).header()
        messages = make_messages(60, first=100)
        appended = await store.append(key, messages, at=START)
        earlier = (await store.read_image(key)).before(header, generation="of before")
        await store.take_back(key, appended.version, earlier)
        await store.take_back(key, earlier.header.version)
    for number, revision in ((0, 1), (0, 2), (1, 1)):
        for run_id in ("run", "run taken back"):
            entry = LedgerEntry(run_id, number, revision, b"{}", {ADA: b"x"})
            await store.put_ledger_entry(entry)
    await store.read_ledger_entry("run", 1)
    await store.list_ledger_entries("run", after=0)
    await store.list_ledger_runs()
    await store.list_ledger_places(after=LedgerPlace("run", 0))
    await store.remove_ledger("run taken back")


async def remove(store: SessionStore) -> None:
    for key in (SHORT, LONG):
        await store.delete(key, instant(5))
    await store.put_marks(await store.list_marks())
    await store.list_marks(after=(await store.list_marks())[0].mark)
    await store.insert(make_new_session(SHORT, messages=make_messages(60)))
    await store.insert(make_new_session(KEY._replace(user_id=BOB), messages=make_messages(60)))
    await store.edit_message(KEY._replace(user_id=BOB), "m1", make_edit("x", at=instant(6)))
    await store.erase_user(ADA, instant(7))
