"""BreakingStore: a store whose writes stop at one of them, as where a process is killed there."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from app.errors import StoreUnavailableError
from app.store.port import SessionStore

WRITES = {"put_document", "remove_document", "insert", "delete"}


class BreakingStore:
    """Passes calls on until so many writes were made; the next one and all after it fail."""

    def __init__(self, inner: SessionStore, *, writes_left: int) -> None:
        self._inner = inner
        self.writes_left = writes_left
        self.limits = inner.limits

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method: Callable[..., Awaitable[Any]] = getattr(self._inner, name)
        if name not in WRITES:
            return method

        async def write(*arguments: Any, **named: Any) -> Any:
            if self.writes_left == 0:
                raise StoreUnavailableError("The process is dead.")
            self.writes_left -= 1
            return await method(*arguments, **named)

        return write


def breaking(inner: SessionStore, *, writes_left: int) -> tuple[BreakingStore, SessionStore]:
    """A store that breaks, as itself and as what services take."""
    store = BreakingStore(inner, writes_left=writes_left)
    return store, cast("SessionStore", store)
