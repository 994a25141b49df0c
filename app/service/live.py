"""LiveService: who follows sessions learns what is committed to them, by whatever process."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

from pydantic_core import from_json

from app.domain.encoded import EncodedSession
from app.domain.following import Bookmark, ChangeKind, SessionChange, SessionChanges
from app.domain.free_json import canonical_json
from app.domain.identity import SessionKey
from app.errors import SessionNotFoundError, StoreError
from app.store.port import HEADER_ONLY, SessionStore

_COUNTERS = frozenset(
    {"message_count", "next_seq", "last_message_at", "updated_at", "revision", "changes"}
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Following:
    """From here on everything is told."""

    bookmark: Bookmark


@dataclass(frozen=True, slots=True)
class Lost:
    """What lies before this bookmark cannot be told: read the session whole. Then it goes on."""

    bookmark: Bookmark


@dataclass(frozen=True, slots=True)
class Gone:
    """The session was deleted; nothing follows."""


LiveEvent = Following | SessionChange | Lost | Gone


class _Listener:
    """Someone who follows one session; all that is kept is what they know of it."""

    __slots__ = ("bell", "bookmark", "error", "header_digest", "key")

    def __init__(self, key: SessionKey, bookmark: Bookmark, header_digest: bytes | None) -> None:
        self.key = key
        self.bookmark = bookmark
        self.header_digest = header_digest
        """None where they may know an older header."""
        self.bell = asyncio.Event()
        self.error: Exception | None = None

    def learns_by(self, change: SessionChange) -> bool:
        """Come as far as a change; False where it tells nothing new."""
        self.bookmark = change.bookmark
        if change.kind is not ChangeKind.HEADER:
            return True
        known, self.header_digest = self.header_digest, _header_digest(change.json)
        return self.header_digest != known


class LiveService:
    """Follows sessions for any number of listeners by one watch over the store.

    After each change of the store one question, how far is each session that is followed, tells
    which listeners have something to read. They read it themselves, at their own speed.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._listeners: defaultdict[SessionKey, set[_Listener]] = defaultdict(set)
        self._watching: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._is_ending = False

    async def follow(
        self, key: SessionKey, after: Bookmark | None = None
    ) -> AsyncGenerator[LiveEvent]:
        """What happens in a session, from a bookmark on, or from now.

        It raises a `StoreError` where the store fails later: who goes on from the last bookmark
        has missed nothing.

        Raises:
            SessionNotFoundError: the user has no such session.
            StoreError: the store fails already.
        """
        # All that will be asked of the store is asked once, while a failure can still be answered.
        found = await self._store.find_bookmarks([key])
        if key not in found:
            raise SessionNotFoundError(key.session_id)
        after = after or found[key]
        first = await self._store.read_changes(key, after)
        header = await self._store.read(key, HEADER_ONLY)
        await self._keep_watch()
        digest = _header_digest(header.header_json) if _bookmark_of(header) == after else None
        return self._events(_Listener(key, after, digest), first)

    def end(self) -> None:
        """Let everyone who has nothing to read go, now and from now on: the process is to end."""
        self._is_ending = True
        for listener in self._all():
            listener.bell.set()

    @property
    def listener_count(self) -> int:
        """How many are following."""
        return sum(map(len, self._listeners.values()))

    async def _events(
        self, listener: _Listener, found: SessionChanges
    ) -> AsyncGenerator[LiveEvent]:
        self._listeners[listener.key].add(listener)
        listener.bell.set()  # for what has come since it was looked for
        try:
            yield Following(listener.bookmark)
            await self._keep_watch()  # that of `follow` may have ended: it had no listener yet
            while True:
                latest = found.latest
                for change in found.changes or ():
                    if listener.learns_by(change):
                        yield change
                if not found.changes and listener.bookmark != latest:
                    listener.bookmark = latest
                    listener.header_digest = None
                    yield Lost(latest)
                del found  # not to be kept by those who wait
                if listener.bookmark == latest and not await self._has_news(listener):
                    return
                found = await self._store.read_changes(listener.key, listener.bookmark)
        except SessionNotFoundError:
            yield Gone()
        finally:
            self._forget(listener)

    async def _has_news(self, listener: _Listener) -> bool:
        """Wait until there may be something to read; False where the process is to end."""
        if not self._is_ending:
            await listener.bell.wait()
        if listener.error is not None:
            raise listener.error
        # Before the reading, not after: what comes in between rings again.
        listener.bell.clear()
        return not self._is_ending

    def _forget(self, listener: _Listener) -> None:
        listeners = self._listeners[listener.key]
        listeners.discard(listener)
        if not listeners:
            del self._listeners[listener.key]
        if not self._listeners and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _keep_watch(self) -> None:
        """Begin to watch the store, unless that is being done."""
        async with self._opening:
            if self._watching is None or self._watching.done():
                changes = await self._store.watch()
                self._watching = asyncio.create_task(self._watch(changes))

    async def _watch(self, changes: AsyncGenerator[None]) -> None:
        """Ring for those whose session has changed, as long as there are any."""
        try:
            async with aclosing(changes):
                async for _ in changes:
                    if not self._listeners:
                        return
                    await self._ring()
        except Exception as error:  # noqa: BLE001 - whatever it is, each who waits must hear of it
            _log.warning("the watch over sessions broke", exc_info=error)
            for listener in self._all():
                listener.error = error
                listener.bell.set()

    async def _ring(self) -> None:
        """Ring for those whose session is not where they are."""
        latest: dict[SessionKey, Bookmark] = {}
        with suppress(StoreError):
            # It may fail for one session only, whose source cannot be read: all ring then, and each
            # finds out for itself.
            latest = await self._store.find_bookmarks(list(self._listeners))
        for listener in self._all():
            if listener.bookmark != latest.get(listener.key):
                listener.bell.set()

    def _all(self) -> Iterator[_Listener]:
        return chain.from_iterable(self._listeners.values())


def _bookmark_of(session: EncodedSession) -> Bookmark:
    header = session.header()
    return Bookmark(header.generation, header.next_seq, header.changes)


def _header_digest(header_json: bytes) -> bytes:
    """What tells headers apart but for their counters, which every change moves."""
    members: dict[str, Any] = from_json(header_json)
    lasting = {name: value for name, value in members.items() if name not in _COUNTERS}
    return blake2b(canonical_json(lasting), digest_size=16).digest()
