"""Half-migrated stores: what a test creates is in a source at first, and folded by its first write.

All tests of doors run on them too, so that nothing they expect depends on where a session is.
"""

import os
from pathlib import Path

from app.domain.identity import SessionKey
from app.domain.session import NewSession, SessionHeader
from app.legacy.folding_store import FoldingStore
from app.legacy.port import LegacySummary
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.store_kind import StoreKind
from tests.stores import IS_CHOSEN, STORES, STORES_BEHIND_DOORS


class HeldSource:
    """A source of whatever sessions it is given; it lasts as long as the test."""

    label = "held-sessions"

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, NewSession] = {}

    async def check(self) -> None:
        return

    async def find(self, key: SessionKey) -> NewSession | None:
        return self.sessions.get(key)

    async def list_of(self, user_id: str) -> list[LegacySummary]:
        of_user = (one for key, one in self.sessions.items() if key.user_id == user_id)
        return [LegacySummary.of(one) for one in of_user]

    async def find_owners(self, session_id: str) -> list[str]:
        return [key.user_id for key in self.sessions if key.session_id == session_id]

    async def list_keys(self, *, after: SessionKey | None, limit: int) -> list[SessionKey]:
        return sorted(key for key in self.sessions if after is None or key > after)[:limit]

    async def aclose(self) -> None:
        return


class HalfMigratedStore(FoldingStore):
    """A store that moves so many in a hundred of its new sessions to a source."""

    def __init__(self, store: SessionStore, percent_in_source: int) -> None:
        self._held = HeldSource()
        super().__init__(store, [self._held])
        self._behind = store
        self._percent_in_source = percent_in_source
        self._count = 0

    async def insert(self, session: NewSession) -> SessionHeader:
        key, digest = session.key, session.creation_digest
        held = self._held.sessions.get(key)
        if (
            held is not None
            and held.creation_digest == digest is not None
            and await self._find(key) is not None
            and await self._behind.find_version(key) is None
        ):
            return held.header()
        header = await super().insert(session)
        if header.generation == session.generation:
            self._count += 1
            # All, none, or every second one: a hundred is passed in each of so many steps.
            before, after = ((self._count - one) * self._percent_in_source // 100 for one in (1, 0))
            self._held.sessions.pop(key, None)
            if after > before:
                assert await self._behind.take_back(key, header.version)
                self._held.sessions[key] = session
        return header


def _kind(percent_in_source: int) -> StoreKind:
    async def open_half_migrated(_folder: Path) -> SessionStore:
        return HalfMigratedStore(MemoryStore(), percent_in_source)

    return StoreKind(open_half_migrated)


# Where all is in the source, everything is folded by its first write: most can go wrong there. The
# others take as long again; what differs between the three is in tests/legacy in every run.
_PERCENTS_IN_SOURCE = (100, 50, 0) if os.environ.get("SOAK") else (100,)
_HALF_MIGRATED = {
    f"half-migrated-{100 - percent}": _kind(percent) for percent in _PERCENTS_IN_SOURCE
}

KINDS_BEHIND_DOORS = {name: STORES[name] for name in STORES_BEHIND_DOORS} | (
    {} if IS_CHOSEN else _HALF_MIGRATED
)
"""All stores that doors are tested on; half-migrated ones by how much in a hundred is folded."""
