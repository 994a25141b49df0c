"""Ledgers of the memory store: what jobs keep beside its sessions."""

from app.domain.ledger import LedgerEntry, LedgerPlace


class MemoryLedgers:
    """Entries by run and number; nothing handed in or out is aliased."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], LedgerEntry] = {}

    def put(self, entry: LedgerEntry, replaces: int) -> bool:
        """Store an entry of which nothing is anyone else's; see the port."""
        place = (entry.run_id, entry.number)
        existing = self._entries.get(place)
        if entry == existing:
            return True
        if replaces != (existing.revision if existing else 0):
            return False
        self._entries[place] = entry
        return True

    def find(self, run_id: str, number: int) -> LedgerEntry | None:
        """An entry, or None."""
        entry = self._entries.get((run_id, number))
        return entry and entry.without_users(())

    def of_run(self, run_id: str, after: int) -> list[LedgerEntry]:
        """The entries of a run after a number, by number."""
        places = sorted(place for place in self._entries if place[0] == run_id and place[1] > after)
        return [self._entries[place].without_users(()) for place in places]

    def runs(self) -> list[LedgerEntry]:
        """The entries 0, by run."""
        places = sorted(place for place in self._entries if place[1] == 0)
        return [self._entries[place].without_users(()) for place in places]

    def places(self, after: LedgerPlace | None) -> list[LedgerPlace]:
        """Where entries are after a place, in order."""
        return [
            LedgerPlace(*place) for place in sorted(self._entries) if after is None or place > after
        ]

    def remove(self, run_id: str) -> None:
        """Forget a run."""
        for entry in self.of_run(run_id, -1):
            del self._entries[entry.run_id, entry.number]

    def forget(self, user_id: str) -> int:
        """Remove the parts of a user; returns how many there were."""
        owned = [place for place, entry in self._entries.items() if user_id in entry.parts]
        for place in owned:
            self._entries[place] = self._entries[place].without_users({user_id})
        return len(owned)
