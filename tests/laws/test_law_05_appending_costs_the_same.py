"""Law 5: appending costs the same at any length, and lists never touch messages.

Counted in SQLite's own statements and steps, not in time.
"""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from app.domain.identity import SessionKey
from app.store.port import HEADER_ONLY, ListFilter, ListOrder
from app.store.sqlite.store import SQLiteStore
from tests.factories import ADA, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START, instant
from tests.stores import settle_sqlite

MESSAGE_TABLES = re.compile(r"\b(message|run|past_text|search_entry|search_index)\b")


class Statement(NamedTuple):
    """One that has run, and how many steps of SQLite's virtual machine it took."""

    sql: str
    steps: int


class Trace:
    """Every statement of every connection that was opened, in their transactions."""

    def __init__(self) -> None:
        self._open: dict[int, list[Statement]] = {}
        self.transactions: list[list[Statement]] = []

    def watch(self, connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._note)

    def _note(self, event: dict[str, Any]) -> None:
        sql, steps = event["sql"], event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]
        connection = id(event["connection"])
        self._open.setdefault(connection, []).append(Statement(sql, steps))
        if event["connection"].get_autocommit():
            self.transactions.append(self._open.pop(connection))

    def take(self, is_wanted: Callable[[str], bool]) -> list[list[Statement]]:
        """The transactions since the last time that have such a statement; those of chores fall."""
        taken = [
            transaction
            for transaction in self.transactions
            if any(is_wanted(statement.sql) for statement in transaction)
        ]
        self.transactions = []
        return taken


def cost(transactions: list[list[Statement]]) -> tuple[int, int, int]:
    """How many transactions, statements and steps."""
    statements = [statement for transaction in transactions for statement in transaction]
    assert statements
    # The note for the indexer takes a step or two less where it was made before; when the indexer
    # takes it up is its own affair.
    steps = sum(one.steps for one in statements if "search_pending" not in one.sql)
    return len(transactions), len(statements), steps


def is_append(sql: str) -> bool:
    return sql.startswith("INSERT INTO message")


def is_list(sql: str) -> bool:
    return "FROM session" in sql and "ORDER BY" in sql


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Trace:
    found = Trace()
    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, found.watch])
    return found


@pytest.fixture
async def store(trace: Trace, tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(tmp_path / "chatfold.db")
    assert trace.transactions
    yield store
    await store.aclose()


async def grow_to(store: SQLiteStore, key: SessionKey, length: int) -> None:
    version = await store.find_version(key)
    if version is None:
        await store.insert(make_new_session(key))
    present = (await store.read(key, HEADER_ONLY)).header().next_seq
    for first in range(present, length, 1000):
        size = min(1000, length - first)
        await store.append(key, make_messages(size, first=first), at=START)


async def test_appends_cost_the_same_at_any_length(
    store: SQLiteStore, trace: Trace, tmp_path: Path
) -> None:
    costs = []
    for length in (128, 512, 4096):
        await grow_to(store, KEY, length)
        await settle_sqlite(tmp_path)
        trace.take(is_append)
        for number in range(128):  # so many that the joining of older messages is among them
            await store.append(KEY, [make_message(f"{length}-{number}")], at=START)
        costs.append(cost(trace.take(is_append)))

    assert costs[0][0] == 128
    assert costs[1] == costs[2]
    # The first has nothing joined behind it, which can only be cheaper.
    assert costs[0][1] <= costs[1][1]


async def test_retries_and_replies_cost_the_same_at_any_length(
    store: SQLiteStore, trace: Trace, tmp_path: Path
) -> None:
    def is_lookup(sql: str) -> bool:
        return "FROM message WHERE session_key = ? AND id = ?" in sql

    costs: list[tuple[int, ...]] = []
    for length in (512, 4096):
        await grow_to(store, KEY, length)
        await settle_sqlite(tmp_path)
        trace.take(is_lookup)
        await store.append(KEY, make_messages(10), at=START)
        await store.append(KEY, make_messages(10, first=length // 2), at=START)
        costs.append(cost(trace.take(is_lookup)))
        await store.append(
            KEY, [make_message(f"reply {length}", parent_id=f"m{length - 1}")], at=START
        )
        costs[-1] += cost(trace.take(is_lookup))

    assert costs[0] == costs[1]


@pytest.mark.parametrize("order", list(ListOrder))
@pytest.mark.parametrize("wanted", [ListFilter(), ListFilter(tag="red", name_contains="name")])
async def test_lists_cost_the_same_whatever_the_sessions_hold(
    store: SQLiteStore, trace: Trace, order: ListOrder, wanted: ListFilter
) -> None:
    keys = [SessionKey(ADA, f"s{number}") for number in range(5)]
    for key in keys:
        await store.insert(
            make_new_session(key, tags=["red"], session_name="a name", messages=make_messages(1))
        )
    costs = []

    for length in (1, 2000):
        for key in keys:
            await grow_to(store, key, length)
        trace.take(is_list)
        page = await store.list_summaries(ADA, order=order, filter=wanted, limit=3)
        rest = await store.list_summaries(
            ADA, order=order, filter=wanted, limit=3, after=page.next_position
        )
        assert (len(page.items), len(rest.items)) == (3, 2)
        transactions = trace.take(is_list)
        for transaction in transactions:
            for statement in transaction:
                assert not MESSAGE_TABLES.search(statement.sql)
        costs.append(cost(transactions))

    assert costs[0] == costs[1]


async def test_a_page_of_many_sessions_costs_as_much_as_one_of_few(
    store: SQLiteStore, trace: Trace
) -> None:
    costs = []

    for first, last in ((0, 60), (60, 1500)):
        await store.insert_absent(
            [
                make_new_session(SessionKey(ADA, f"s{n:04}"), created_at=instant(n))
                for n in range(first, last)
            ]
        )
        for order in ListOrder:
            trace.take(is_list)
            page = await store.list_summaries(ADA, order=order, limit=50)
            assert len(page.items) == 50
            costs.append(cost(trace.take(is_list)))

    assert costs[:2] == costs[2:]
