"""Ledgers in a copy: entries that the target lacks or has in an older state, and how they compare.

An entry is the same in both stores where its revision, its body and its parts are, but for parts of
users whom the target knows as erased.
"""

from collections.abc import AsyncGenerator
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from app.domain.ledger import LedgerEntry, LedgerPlace
from app.errors import CorruptDocumentError
from app.store.copy_report import Compared, Copied, DamagedEntry, Finding
from app.store.lives import is_user_erased_in
from app.store.port import SessionStore
from app.store.walking import Patience, patiently, side_by_side

_ENTRIES_AT_ONCE = 20
"""Each may have a megabyte."""


class _Found(NamedTuple):
    """What a store has in a place."""

    place: LedgerPlace
    entry: LedgerEntry | None
    """None where it cannot be decoded."""


async def copy_ledgers(
    source: SessionStore, target: SessionStore, copied: Copied, patience: Patience
) -> None:
    """Bring the entries of all runs; where the target has a later or another state, it stays.

    An entry that one of the stores cannot decode is left as it is there.
    """
    async for _, found, found_there in _entries_of_both(source, target, patience):
        damage = _damage(found, found_there)
        if damage is not None:
            copied.damaged_ledger_entries.add(damage)
        elif found is not None and found.entry is not None:
            there = None if found_there is None else found_there.entry
            await _copy(target, found.entry, there, copied, patience)


async def compare_ledgers(
    source: SessionStore, target: SessionStore, compared: Compared, patience: Patience
) -> None:
    """Count the entries that are the same in both stores, those that are not, and damaged ones."""
    async for _, found, found_there in _entries_of_both(source, target, patience):
        damage = _damage(found, found_there)
        if damage is not None:
            compared.damaged_ledger_entries.add(damage)
            continue
        entry, there = found and found.entry, found_there and found_there.entry
        if entry is None or there is None:
            compared.different_ledger_entries += 1
            continue
        kept, _ = await _without_erased(target, entry, there, patience)
        if there == kept:
            compared.equal_ledger_entries += 1
        else:
            compared.different_ledger_entries += 1


def _damage(found: _Found | None, found_there: _Found | None) -> DamagedEntry | None:
    """On which side an entry cannot be decoded; the source's is told before the target's."""
    if found is not None and found.entry is None:
        return DamagedEntry(Finding.DAMAGED_IN_SOURCE, *found.place)
    if found_there is not None and found_there.entry is None:
        return DamagedEntry(Finding.DAMAGED_IN_TARGET, *found_there.place)
    return None


async def _copy(
    target: SessionStore,
    entry: LedgerEntry,
    there: LedgerEntry | None,
    copied: Copied,
    patience: Patience,
) -> None:
    revision = 0
    if there is not None:
        kept, kept_there = await _without_erased(target, entry, there, patience)
        if there == kept:
            return
        if there.revision >= entry.revision and kept_there != kept:
            copied.ledger_entries_left += 1
            return
        revision = there.revision
    put = partial(target.put_ledger_entry, entry, replaces=revision)
    if await patiently(put, patience):
        copied.ledger_entries += 1
    else:
        copied.ledger_entries_left += 1  # someone has written to it this very moment


async def _without_erased(
    target: SessionStore, entry: LedgerEntry, there: LedgerEntry, patience: Patience
) -> tuple[LedgerEntry, LedgerEntry]:
    """Both without the parts that only one of them has, and whose users the target has erased."""
    erased: set[str] = set()
    for user_id in entry.parts.keys() ^ there.parts.keys():
        if await patiently(partial(is_user_erased_in, target, user_id), patience):
            erased.add(user_id)
    return entry.without_users(erased), there.without_users(erased)


def _entries_of_both(
    source: SessionStore, target: SessionStore, patience: Patience
) -> AsyncGenerator[tuple[LedgerPlace, _Found | None, _Found | None]]:
    """Every entry that one of the stores has, in order, as each of them has it."""
    of_source, of_target = _entries_of(source, patience), _entries_of(target, patience)
    return side_by_side(of_source, of_target, attrgetter("place"))


async def _entries_of(store: SessionStore, patience: Patience) -> AsyncGenerator[_Found]:
    list_places = partial(store.list_ledger_places, limit=_ENTRIES_AT_ONCE)
    places = await patiently(list_places, patience)
    while places:
        for run_id, of_run in groupby(places, key=attrgetter("run_id")):
            for found in await _page(store, run_id, list(of_run), patience):
                yield found
        places = await patiently(partial(list_places, after=places[-1]), patience)


async def _page(
    store: SessionStore, run_id: str, places: list[LedgerPlace], patience: Patience
) -> list[_Found]:
    """Entries of one run that are next to each other; one by one where one of them is damaged."""
    list_entries = partial(
        store.list_ledger_entries, run_id, after=places[0].number - 1, limit=len(places)
    )
    try:
        entries = await patiently(list_entries, patience)
    except CorruptDocumentError:
        return [found for place in places if (found := await _find(store, place, patience))]
    by_place = {LedgerPlace(one.run_id, one.number): one for one in entries}
    return [_Found(place, by_place[place]) for place in places if place in by_place]


async def _find(store: SessionStore, place: LedgerPlace, patience: Patience) -> _Found | None:
    """What is in a place; None where it was removed this very moment."""
    try:
        entry = await patiently(partial(store.read_ledger_entry, *place), patience)
    except CorruptDocumentError:
        return _Found(place, None)
    return None if entry is None else _Found(place, entry)
