"""Marking: the keyed hashes by which a store knows what was deleted, and can tell nobody what."""

import hmac


class Marking:
    """Makes the marks of one store, or of several that share a secret."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def mark(self, *parts: str) -> bytes:
        """The mark of a session (user, id) or of a whole user (user)."""
        name = b"".join(b"%d:%s," % (len(part.encode()), part.encode()) for part in parts)
        return hmac.digest(self.secret, name, "sha256")[:16]
