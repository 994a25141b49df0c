"""Ledgers in a copy: entries that the target lacks or has in an older state, and how they compare.

An entry is the same in both stores where its revision, its body and its parts are, but for parts of
users whom the target knows as erased.
"""

from collections.abc import AsyncGenerator
from functools import partial

from app.domain.ledger import LedgerEntry
from app.store.copy_report import Compared, Copied
from app.store.lives import is_user_erased_in
from app.store.port import SessionStore
from app.store.walking import Patience, patiently

_ENTRIES_AT_ONCE = 20
"""Each may have a megabyte."""


async def copy_ledgers(
    source: SessionStore, target: SessionStore, copied: Copied, patience: Patience
) -> None:
    """Bring the entries of all runs; where the target has a later or another state, it stays."""
    async for entry, there in _entries_of_both(source, target, patience):
        if entry is None:
            continue
        revision = 0
        if there is not None:
            kept, kept_there = await _without_erased(target, entry, there, patience)
            if there == kept:
                continue
            if there.revision >= entry.revision and kept_there != kept:
                copied.ledger_entries_left += 1
                continue
            revision = there.revision
        put = partial(target.put_ledger_entry, entry, replaces=revision)
        if await patiently(put, patience):
            copied.ledger_entries += 1
        else:
            copied.ledger_entries_left += 1  # someone has written to it this very moment


async def compare_ledgers(
    source: SessionStore, target: SessionStore, compared: Compared, patience: Patience
) -> None:
    """Count the entries that are the same in both stores, and those that are not."""
    async for entry, there in _entries_of_both(source, target, patience):
        if entry is None or there is None:
            compared.different_ledger_entries += 1
            continue
        kept, _ = await _without_erased(target, entry, there, patience)
        if there == kept:
            compared.equal_ledger_entries += 1
        else:
            compared.different_ledger_entries += 1


async def _without_erased(
    target: SessionStore, entry: LedgerEntry, there: LedgerEntry, patience: Patience
) -> tuple[LedgerEntry, LedgerEntry]:
    """Both without the parts that only one of them has, and whose users the target has erased."""
    erased: set[str] = set()
    for user_id in entry.parts.keys() ^ there.parts.keys():
        if await patiently(partial(is_user_erased_in, target, user_id), patience):
            erased.add(user_id)
    return entry.without_users(erased), there.without_users(erased)


async def _entries_of_both(
    source: SessionStore, target: SessionStore, patience: Patience
) -> AsyncGenerator[tuple[LedgerEntry | None, LedgerEntry | None]]:
    """Every entry that one of the stores has, in order, as each of them has it."""
    of_source, of_target = _entries_of(source, patience), _entries_of(target, patience)
    one, other = await anext(of_source, None), await anext(of_target, None)
    while one is not None or other is not None:
        place = min(_place(found) for found in (one, other) if found is not None)
        entry = one if one is not None and _place(one) == place else None
        there = other if other is not None and _place(other) == place else None
        yield entry, there
        if entry is not None:
            one = await anext(of_source, None)
        if there is not None:
            other = await anext(of_target, None)


async def _entries_of(store: SessionStore, patience: Patience) -> AsyncGenerator[LedgerEntry]:
    for run in await patiently(store.list_ledger_runs, patience):
        list_entries = partial(store.list_ledger_entries, run.run_id, limit=_ENTRIES_AT_ONCE)
        entries = await patiently(list_entries, patience)
        while entries:
            for entry in entries:
                yield entry
            entries = await patiently(partial(list_entries, after=entries[-1].number), patience)


def _place(entry: LedgerEntry) -> tuple[str, int]:
    return entry.run_id, entry.number
