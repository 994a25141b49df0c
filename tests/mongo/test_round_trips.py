"""What each operation costs: how many commands, and how many bytes; neither grows unseen."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.domain.ledger import LedgerEntry
from app.domain.search import parse_query
from app.domain.session import Precondition
from app.main import create_app
from app.store.mongo.store import MongoStore
from app.store.port import HEADER_ONLY, MessageWindow, ReadSelection
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, FakeClock
from tests.laws.conftest import SETTINGS, client_of
from tests.mongo.watching import SERVERS, Command, Watch, WatchedServer, watching

UNSEALED_BYTES = 256 * 1024
SEALED_BYTES = 16 * 1024
FIND, CHANGE = "find", "findAndModify"
SESSION = f"/api/chat/sessions/{KEY.session_id}"


@pytest.fixture(params=SERVERS)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def server(engine_name: str, tmp_path: Path) -> AsyncIterator[WatchedServer]:
    async with watching(engine_name, tmp_path) as server:
        yield server


@pytest.fixture
def watch(server: WatchedServer) -> Watch:
    return server.watch


@pytest.fixture
async def short(server: WatchedServer) -> AsyncIterator[MongoStore]:
    """A store whose session is one document."""
    store = await server.open(segment_bytes=UNSEALED_BYTES)
    await store.insert(make_new_session(messages=make_messages(5)))
    server.watch.commands.clear()
    yield store
    await store.aclose()


@pytest.fixture
async def long(server: WatchedServer) -> AsyncIterator[MongoStore]:
    """A store whose session has several segments, and which has appended to it."""
    store = await server.open(segment_bytes=SEALED_BYTES)
    await store.insert(make_new_session(messages=make_messages(200)))
    await store.append(KEY, [make_message("last")], at=START)
    await store.settle()
    server.watch.commands.clear()
    yield store
    await store.aclose()


def commands_on(watch: Watch, name: str, collection: str) -> list[Command]:
    return [one for one in watch.commands if one.body.get(name) == collection]


# --- a session that is one document -------------------------------------------------------------


async def test_a_creation_is_one_command(short: MongoStore, watch: Watch) -> None:
    await short.insert(make_new_session(KEY._replace(session_id="new"), messages=make_messages(3)))

    assert watch.names() == ["insert"]


@pytest.mark.parametrize("is_id_fresh", [True, False])
@pytest.mark.parametrize("is_guarded", [True, False])
async def test_an_append_is_one_command(
    short: MongoStore, watch: Watch, is_id_fresh: bool, is_guarded: bool
) -> None:
    version = await short.find_version(KEY)
    assert version is not None
    watch.commands.clear()
    batch = [make_message(f"new{number}", is_id_fresh=is_id_fresh) for number in range(3)]

    await short.append(
        KEY,
        batch,
        at=START,
        precondition=Precondition(versions=frozenset({version})) if is_guarded else None,
    )

    assert watch.names() == [CHANGE]


async def test_a_retried_append_is_two_commands(short: MongoStore, watch: Watch) -> None:
    await short.append(KEY, make_messages(1), at=START)

    assert watch.names() == [CHANGE, FIND]


async def test_each_read_is_one_command(short: MongoStore, watch: Watch) -> None:
    version = await short.find_version(KEY)

    await short.read(KEY)
    await short.read(KEY, HEADER_ONLY)
    await short.read(KEY, ReadSelection(after_seq=2))
    await short.read(KEY, ReadSelection(since=version))
    await short.list_messages(KEY, MessageWindow(limit=2))
    await short.list_past_texts(KEY, "m0")
    await short.list_summaries(ADA)
    await short.list_keys()
    await short.find_owners(KEY.session_id)
    await short.list_recent_messages(ADA, limit=10)
    await short.search(ADA, parse_query("text"))
    await short.stats(ADA)
    await short.read_image(KEY)

    assert watch.names() == [FIND] * 14


async def test_a_change_is_a_look_and_a_write(short: MongoStore, watch: Watch) -> None:
    await short.edit_message(KEY, "m1", make_edit("other"))
    await short.delete_message(KEY, "m2", START)
    await short.change_header(KEY, make_put(session_name="other"))
    await short.delete(KEY, START)

    assert watch.names() == [FIND, CHANGE, FIND, CHANGE, FIND, CHANGE, FIND, "update"]


async def test_a_check_is_one_command(short: MongoStore, watch: Watch) -> None:
    await short.check()

    assert watch.names() == ["update"]


async def test_sessions_of_a_fold_go_together(short: MongoStore, watch: Watch) -> None:
    keys = [KEY._replace(session_id=f"folded{number}") for number in range(50)]

    await short.insert_absent([make_new_session(key) for key in keys])

    note, sessions, end_of_note = "insert", "insert", "delete"
    assert watch.names() == [FIND, note, sessions, FIND, end_of_note]


async def test_what_a_fold_did_is_taken_back_by_a_look_and_a_write(
    short: MongoStore, watch: Watch
) -> None:
    header = (await short.read(KEY)).header()
    appended = await short.append(KEY, [make_message("new")], at=START)
    earlier = (await short.read_image(KEY)).before(header, generation="before")
    watch.commands.clear()

    assert await short.take_back(KEY, appended.version, earlier)
    assert await short.take_back(KEY, earlier.header.version)

    assert watch.names() == [FIND, "update", FIND, "delete"]


async def test_ledger_entries_are_one_command_each_and_five_with_parts(
    short: MongoStore, watch: Watch
) -> None:
    entry = LedgerEntry("run", 0, 1, b"{}", {})
    await short.put_ledger_entry(entry)
    await short.put_ledger_entry(replace(entry, revision=2))
    await short.read_ledger_entry("run", 0)
    await short.list_ledger_entries("run")
    await short.list_ledger_runs()
    of_bare_ones = watch.names()
    watch.commands.clear()

    await short.put_ledger_entry(replace(entry, revision=3, parts={ADA: b"x", "bob": b"y"}))

    note, end_of_note = "insert", "delete"
    assert of_bare_ones == ["insert", "update", FIND, FIND, FIND]
    assert watch.names() == [FIND, note, "update", FIND, end_of_note]


# --- a session with segments --------------------------------------------------------------------


async def test_an_append_with_ids_of_the_client_is_two_commands(
    long: MongoStore, watch: Watch
) -> None:
    for number in range(3):
        await long.append(KEY, [make_message(f"new{number}")], at=START)

    assert watch.names() == [FIND, CHANGE] * 3


async def test_an_append_with_fresh_ids_is_one_command_there_too(
    long: MongoStore, watch: Watch
) -> None:
    for number in range(3):
        await long.append(KEY, [make_message(f"new{number}", is_id_fresh=True)], at=START)

    assert watch.names() == [CHANGE] * 3


async def test_an_append_after_a_seal_of_its_own_process_is_two_commands_too(
    long: MongoStore, watch: Watch
) -> None:
    filling = make_message("filling", "x" * SEALED_BYTES)
    await long.append(KEY, [filling], at=START)
    await long.settle()
    assert "insert" in watch.names()
    watch.commands.clear()

    await long.append(KEY, [make_message("next")], at=START)

    assert watch.names() == [FIND, CHANGE]


async def test_the_first_append_of_a_process_learns_in_two_commands_more(
    server: WatchedServer, long: MongoStore, watch: Watch
) -> None:
    assert await long.find_version(KEY) is not None
    other = await server.open(segment_bytes=SEALED_BYTES)

    await other.append(KEY, [make_message("first")], at=START)

    assert watch.names() == [CHANGE, FIND, FIND, CHANGE]
    watch.commands.clear()
    await other.append(KEY, [make_message("second")], at=START)
    assert watch.names() == [FIND, CHANGE]
    await other.aclose()


async def test_appends_at_once_make_no_seal_fail(long: MongoStore, watch: Watch) -> None:
    async def append_some(first: int) -> None:
        for number in range(first, first + 10):
            message = make_message(f"new{number}", is_id_fresh=True)
            await long.append(KEY, [message], at=START)

    await asyncio.gather(*(append_some(first) for first in range(0, 80, 10)))
    await long.settle()

    assert commands_on(watch, "insert", "segments")
    assert commands_on(watch, "delete", "segments") == []
    looks = commands_on(watch, FIND, "sessions")
    merges = commands_on(watch, FIND, "segments")
    assert len(looks) <= len(merges)  # what comes beside a merge may fill the head again


async def test_a_seal_is_two_commands_each_eighth_three_and_a_merge_five(
    server: WatchedServer, watch: Watch
) -> None:
    budget = 4 * SEALED_BYTES  # a merge takes in a dozen seals
    store = await server.open(segment_bytes=budget)
    await store.insert(make_new_session(messages=make_messages(1000)))
    filling = "x" * (budget // 16)  # in a session with segments it is sealed at once
    await store.append(KEY, [make_message("first", filling)], at=START)
    await store.settle()
    seals = []
    for number in range(10):
        watch.commands.clear()
        message = make_message(f"new{number}", filling, is_id_fresh=True)
        await store.append(KEY, [message], at=START)
        await store.settle()
        seals.append(watch.names())
    await store.aclose()

    append, insert, link, renewal = CHANGE, "insert", CHANGE, "update"
    note, end_of_note = "insert", "update"
    assert seals[:7] == [[append, insert, link]] * 7
    assert seals[7:9] == [[append, renewal, insert, link], [append, insert, link]]
    assert seals[9] == [append, FIND, note, insert, link, end_of_note]  # it merges the others


async def test_a_whole_read_is_two_commands(long: MongoStore, watch: Watch) -> None:
    session = await long.read(KEY)

    assert watch.names() == [FIND, FIND]
    assert len(session.messages()) == 201


async def test_what_is_not_sealed_is_read_in_one(long: MongoStore, watch: Watch) -> None:
    version = await long.find_version(KEY)

    await long.read(KEY, HEADER_ONLY)
    await long.read(KEY, ReadSelection(since=version))
    await long.list_summaries(ADA)

    assert watch.names() == [FIND] * 4


async def test_a_page_of_a_long_session_is_three_commands_wherever_it_is(
    long: MongoStore, watch: Watch
) -> None:
    await long.list_messages(KEY, MessageWindow(limit=3, after_seq=30))

    assert watch.names() == [FIND] * 3


async def test_a_search_is_two_commands_and_two_for_each_long_session_with_a_hit(
    long: MongoStore, watch: Watch
) -> None:
    await long.search(ADA, parse_query("nowhere"))
    of_nothing = watch.names()
    watch.commands.clear()

    await long.search(ADA, parse_query("m7"))

    assert of_nothing == [FIND] * 2
    assert watch.names() == [FIND] * 4


# --- over HTTP ----------------------------------------------------------------------------------


@pytest.fixture
async def ada(short: MongoStore) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(SETTINGS, short, FakeClock()), ADA) as client:
        yield client


async def test_a_whole_read_over_http_is_one_command_cached_or_not(
    ada: httpx.AsyncClient, watch: Watch
) -> None:
    first = await ada.get(SESSION)
    of_first = watch.last
    second = await ada.get(SESSION)
    of_second = watch.last
    known = await ada.get(SESSION, headers={"If-None-Match": first.headers["etag"]})

    assert watch.names() == [FIND] * 3
    assert [first.status_code, second.status_code, known.status_code] == [200, 200, 304]
    assert "projection" not in of_first.body
    assert of_second.body["projection"] == {"generation": 1, "revision": 1}
    assert of_second.reply_bytes < of_first.reply_bytes / 3


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/api/chat/sessions", {}, ["insert"]),
        ("GET", "/api/chat/sessions", None, [FIND]),
        ("GET", f"{SESSION}?messages=none", None, [FIND]),
        ("GET", f"{SESSION}?after_seq=3", None, [FIND]),
        ("POST", f"{SESSION}/messages", {"content": "x"}, [CHANGE]),
        ("POST", f"{SESSION}/messages", {"content": "x", "id": "new"}, [CHANGE]),
        ("POST", f"{SESSION}/messages", [{"content": "x"}, {"content": "y"}], [CHANGE]),
        ("GET", f"{SESSION}/messages", None, [FIND]),
        ("PATCH", f"{SESSION}/messages/m0", {"content": "x"}, [FIND, CHANGE]),
        ("DELETE", f"{SESSION}/messages/m0", None, [FIND, CHANGE]),
        ("GET", f"{SESSION}/messages/m0/history", None, [FIND]),
        ("PUT", SESSION, {"session_name": "x"}, [FIND, CHANGE]),
        ("DELETE", SESSION, None, [FIND, "update"]),
        ("GET", "/api/chat/search?q=text", None, [FIND]),
        ("GET", "/api/chat/stats", None, [FIND]),
        ("GET", "/readyz", None, ["update"]),
    ],
)
async def test_a_request_costs_what_its_call_costs(
    ada: httpx.AsyncClient,
    watch: Watch,
    method: str,
    path: str,
    body: object,
    expected: list[str],
) -> None:
    answer = await ada.request(method, path, json=body)

    assert answer.is_success
    assert watch.names() == expected


# --- bytes --------------------------------------------------------------------------------------


async def test_neither_side_of_an_append_grows_with_the_session(
    engine_name: str, server: WatchedServer, watch: Watch
) -> None:
    store = await server.open(segment_bytes=UNSEALED_BYTES)
    sizes = []
    for name, count in (("small", 1), ("large", 800)):
        key = KEY._replace(session_id=name)
        await store.insert(make_new_session(key, messages=make_messages(count)))
        await store.append(key, [make_message("new", "the same text")], at=START)
        sizes.append((watch.last.request_bytes, watch.last.reply_bytes))
    await store.aclose()

    (small_request, small_reply), (large_request, large_reply) = sizes
    assert abs(large_request - small_request) < 16
    assert small_request < 1200
    if not engine_name.startswith("ferretdb"):  # see the table of what servers cannot do
        assert abs(large_reply - small_reply) < 16
        assert large_reply < 512


async def test_a_list_brings_no_messages(server: WatchedServer, watch: Watch) -> None:
    store = await server.open(segment_bytes=UNSEALED_BYTES)
    for number in range(20):
        key = KEY._replace(session_id=f"s{number}")
        message = make_message(content="a long text " * 500)
        await store.insert(make_new_session(key, messages=[message]))
    watch.commands.clear()

    page = await store.list_summaries(ADA, limit=20)
    await store.aclose()

    listed = next(command for command in watch.commands if command.name == FIND)
    assert len(page.items) == 20
    assert listed.reply_bytes < 20 * 600
    assert listed.body["limit"] == 21


async def test_a_version_is_the_smallest_answer(short: MongoStore, watch: Watch) -> None:
    await short.find_version(KEY)

    assert watch.last.reply_bytes < 300


async def test_what_is_new_brings_no_segment(long: MongoStore, watch: Watch) -> None:
    version = await long.find_version(KEY)
    await long.append(KEY, [make_message("new")], at=START)
    await long.settle()
    watch.commands.clear()

    await long.read(KEY, ReadSelection(since=version))

    assert watch.names() == [FIND]
    assert watch.last.reply_bytes < 2000
