"""Ledgers: what jobs keep beside the sessions, an entry's parts in rows of their users."""

from collections import defaultdict
from collections.abc import Iterable

import apsw

from app.domain.ledger import LedgerEntry, LedgerPlace
from app.store.sqlite.statements import Row, Value, find_row, rows, run, run_many

_SLICE_ENTRIES = 16
"""As many as may be large without holding others up."""

_BEFORE_ALL = LedgerPlace("", -1)

_ENTRY = "SELECT run_id, number, revision, body FROM ledger_entry"
_PARTS = "SELECT number, user_id, body FROM ledger_part WHERE run_id = ?"


def put(connection: apsw.Connection, entry: LedgerEntry, replaces: int) -> bool:
    """Store an entry if the stored one is of that revision, or is this very one."""
    place = (entry.run_id, entry.number)
    existing = find(connection, *place)
    if entry == existing:
        return True
    if replaces != (existing.revision if existing else 0):
        return False
    run(
        connection,
        "INSERT OR REPLACE INTO ledger_entry VALUES (?, ?, ?, ?)",
        (*place, entry.revision, entry.body),
    )
    run(connection, "DELETE FROM ledger_part WHERE (run_id, number) = (?, ?)", place)
    run_many(
        connection,
        "INSERT INTO ledger_part VALUES (?, ?, ?, ?)",
        [(*place, user_id, part) for user_id, part in entry.parts.items()],
    )
    return True


def find(connection: apsw.Connection, run_id: str, number: int) -> LedgerEntry | None:
    """An entry, or None."""
    row = find_row(connection, f"{_ENTRY} WHERE (run_id, number) = (?, ?)", (run_id, number))
    if row is None:
        return None
    parts = rows(connection, f"{_PARTS} AND number = ?", (run_id, number))
    return _entries([row], parts)[0]


def list_entries(
    connection: apsw.Connection, run_id: str, after: int, limit: int
) -> list[LedgerEntry]:
    """The next entries of a run, by number."""
    of_page: tuple[Value, ...] = (run_id, after, limit)
    statement = f"{_ENTRY} WHERE run_id = ? AND number > ? ORDER BY number LIMIT ?"
    found = list(rows(connection, statement, of_page))
    if not found:
        return []
    last = found[-1][1]
    parts = rows(connection, f"{_PARTS} AND number > ? AND number <= ?", (run_id, after, last))
    return _entries(found, parts)


def list_runs(connection: apsw.Connection) -> list[LedgerEntry]:
    """The entries 0, by run."""
    found = list(rows(connection, f"{_ENTRY} WHERE number = 0 ORDER BY run_id"))
    return [
        entry
        for row in found
        for entry in _entries([row], rows(connection, f"{_PARTS} AND number = 0", (row[0],)))
    ]


def list_places(
    connection: apsw.Connection, after: LedgerPlace | None, limit: int
) -> list[LedgerPlace]:
    """Where the next entries of all runs are."""
    found = rows(
        connection,
        "SELECT run_id, number FROM ledger_entry WHERE (run_id, number) > (?, ?)"
        " ORDER BY run_id, number LIMIT ?",
        (*(after or _BEFORE_ALL), limit),
    )
    return [LedgerPlace(*place) for place in found]


def remove_slice(connection: apsw.Connection, run_id: str) -> bool:
    """Remove some entries of a run, the last ones first; False where nothing is left."""
    found = rows(
        connection,
        "SELECT number FROM ledger_entry WHERE run_id = ? ORDER BY number DESC LIMIT ?",
        (run_id, _SLICE_ENTRIES),
    )
    places = [(run_id, number) for (number,) in found]
    for table in ("ledger_part", "ledger_entry"):
        run_many(connection, f"DELETE FROM {table} WHERE (run_id, number) = (?, ?)", places)
    return bool(places)


def forget_user(connection: apsw.Connection, user_id: str) -> int:
    """Remove the parts of a user; returns how many there were."""
    run(connection, "DELETE FROM ledger_part WHERE user_id = ?", (user_id,))
    return connection.changes()


def _entries(found: Iterable[Row], parts: Iterable[Row]) -> list[LedgerEntry]:
    by_number: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
    for number, user_id, body in parts:
        by_number[number][user_id] = body
    return [
        LedgerEntry(run_id, number, revision, body, by_number[number])
        for run_id, number, revision, body in found
    ]
