"""StoreKind: what tests must know of a kind of store to open it, to wait for it, and to end it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from app.store.port import SessionStore


async def nothing_to_do(_folder: Path) -> None:
    """For stores that leave nothing for later, and nothing behind but their folder."""


class StoreKind(NamedTuple):
    """One kind of store; each store has a folder of its own, which also names it."""

    open: Callable[[Path], Awaitable[SessionStore]]
    settle: Callable[[Path], Awaitable[None]] = nothing_to_do
    """Return when the store has done what it leaves for later: indexing, sweeping up."""
    drop: Callable[[Path], Awaitable[None]] = nothing_to_do
    """Remove what the store keeps outside of its folder."""
    environment: Callable[[Path], dict[str, str]] | None = None
    """The settings with which another process works on the same store; None where none can."""


class Place(NamedTuple):
    """Where a store lies that several processes can reach."""

    kind: StoreKind
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        assert self.kind.environment is not None
        return self.kind.environment(self.folder)

    async def open(self) -> SessionStore:
        return await self.kind.open(self.folder)
