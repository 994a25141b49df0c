"""ReadCache: encoded whole sessions in memory, each good for exactly one version."""

from collections import OrderedDict

from app.domain.identity import SessionKey, Version

_ENTRY_OVERHEAD_BYTES = 500  # about what keys, version and bookkeeping take beside a body
_LARGEST_SHARE = 8  # one session may take at most an eighth, so that it cannot push out all others


class ReadCache:
    """The least recently read go first; the store is asked for the version before one is served.

    So what another process writes is seen at once: a body is served only for the version that the
    store has just named.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._entries: OrderedDict[SessionKey, tuple[Version, bytes]] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """What the entries take, about."""
        return self._size_bytes

    def has_any(self, key: SessionKey) -> bool:
        """Whether the session is here at some version, so that it pays to ask for that of now."""
        return key in self._entries

    def find(self, key: SessionKey, version: Version) -> bytes | None:
        """The session's body at this version, if it is here."""
        entry = self._entries.get(key)
        if entry is None or entry[0] != version:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def keep(self, key: SessionKey, version: Version, body: bytes) -> None:
        """Hold a body in the place of an older one; one that is too large is not held."""
        self.forget(key)
        size_bytes = len(body) + _ENTRY_OVERHEAD_BYTES
        if size_bytes * _LARGEST_SHARE > self._limit_bytes:
            return
        self._entries[key] = (version, body)
        self._size_bytes += size_bytes
        while self._size_bytes > self._limit_bytes:
            self.forget(next(iter(self._entries)))

    def forget(self, key: SessionKey) -> None:
        """Let go of one session."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size_bytes -= len(entry[1]) + _ENTRY_OVERHEAD_BYTES

    def forget_user(self, user_id: str) -> None:
        """Let go of all sessions of one user."""
        for key in [key for key in self._entries if key.user_id == user_id]:
            self.forget(key)
