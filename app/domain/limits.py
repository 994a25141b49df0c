"""StoreLimits: what the narrowest part of a store can keep, published so that tests can read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.free_json import JSON_DEPTH_LIMIT
from app.errors import DocumentTooLargeError, LimitExceededError

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Sizes are those of the stored form, compact JSON in UTF-8; a new message has no `seq` yet."""

    message_bytes: int = 8 * MEBIBYTE
    batch_bytes: int = 8 * MEBIBYTE
    batch_messages: int = 1000
    header_bytes: int = 256 * 1024
    json_depth: int = JSON_DEPTH_LIMIT

    def check_batch(self, sizes_bytes: Sequence[int]) -> None:
        """Pass if these messages may be stored together.

        Raises:
            LimitExceededError: they are too many.
            DocumentTooLargeError: one of them, or all together, has too many bytes.
        """
        if len(sizes_bytes) > self.batch_messages:
            raise LimitExceededError("A batch", self.batch_messages, "messages")
        self.check_messages(sizes_bytes)
        if sum(sizes_bytes) > self.batch_bytes:
            raise DocumentTooLargeError("A batch", self.batch_bytes, "bytes")

    def check_messages(self, sizes_bytes: Iterable[int]) -> None:
        """Pass if each of these messages may be stored, however many they are.

        Raises:
            DocumentTooLargeError: one of them has too many bytes.
        """
        if max(sizes_bytes, default=0) > self.message_bytes:
            raise DocumentTooLargeError("A message", self.message_bytes, "bytes")

    def check_header(self, size_bytes: int) -> None:
        """Pass if a header of this size may be stored.

        Raises:
            DocumentTooLargeError: it has too many bytes.
        """
        if size_bytes > self.header_bytes:
            raise DocumentTooLargeError("A session's header", self.header_bytes, "bytes")
