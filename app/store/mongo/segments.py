"""Segments: how sealed messages are packed into documents, chained, and found again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import uuid4

from app.domain.search import terms_of
from app.store.mongo.encoding import Document, message_size_bytes


@dataclass(slots=True)
class SealedContent:
    """What goes into segments, in its stored form: messages, and what belongs to them."""

    first_seq: int
    messages: list[Document] = field(default_factory=list[Document])
    corrections: list[Document] = field(default_factory=list[Document])
    """Of messages before `first_seq`; a later one of the same place comes later."""
    past_texts: list[Document] = field(default_factory=list[Document])

    def take_in(
        self,
        messages: Iterable[Document],
        corrections: Iterable[Document],
        past_texts: Iterable[Document],
    ) -> None:
        """Go on with what follows; corrections of messages that are in here are carried out."""
        self.messages.extend(messages)
        self.past_texts.extend(past_texts)
        for correction in corrections:
            index = correction["seq"] - self.first_seq
            if index < 0:
                self.corrections.append(correction)
            else:
                corrected = {name: value for name, value in correction.items() if name != "seq"}
                corrected["revision"] = self.messages[index]["revision"]
                self.messages[index] = corrected


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain goes on."""

    user_id: str
    generation: str
    previous: str | None = None
    previous_until: int = 0
    previous_bytes: int = 0


@dataclass(slots=True)
class _Pack:
    messages: list[Document] = field(default_factory=list[Document])
    corrections: list[Document] = field(default_factory=list[Document])
    past_texts: list[Document] = field(default_factory=list[Document])
    size_bytes: int = 0


def chained_segments(
    link: Link, content: SealedContent, *, until_revision: int, segment_bytes: int
) -> list[Document]:
    """The content as segments of about a size, oldest first, linked to the chain and each other."""
    segments: list[Document] = []
    first_seq = content.first_seq
    previous, previous_until, previous_bytes = (
        link.previous,
        link.previous_until,
        link.previous_bytes,
    )
    for pack in _packed(content, segment_bytes):
        segment_id = uuid4().hex
        end_seq = first_seq + len(pack.messages)
        segments.append(
            {
                "_id": segment_id,
                "user_id": link.user_id,
                "generation": link.generation,
                "previous": previous,
                "previous_until": previous_until,
                "previous_bytes": previous_bytes,
                "first_seq": first_seq,
                "end_seq": end_seq,
                "until_revision": until_revision,
                "size_bytes": pack.size_bytes,
                "messages": pack.messages,
                "corrections": pack.corrections,
                "past_texts": pack.past_texts,
                "message_keys": [message_key(link.generation, one["id"]) for one in pack.messages],
                "terms": distinct_terms(pack.messages, pack.corrections),
            }
        )
        previous, previous_until, previous_bytes = segment_id, until_revision, pack.size_bytes
        first_seq = end_seq
    return segments


def message_key(generation: str, message_id: str) -> int:
    """What finds a sealed message's segment: 64 bits of a hash, with a sign as BSON wants it."""
    hashed = blake2b(f"{generation}/{message_id}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "big", signed=True)


def distinct_terms(*groups: Sequence[Document]) -> list[str]:
    """What a search finds a segment by: the terms of its texts, each once."""
    return sorted({term for group in groups for one in group for term in terms_of(one["content"])})


def _packed(content: SealedContent, segment_bytes: int) -> Iterator[_Pack]:
    """Past texts and corrections before the messages, which were sealed after them."""
    pack = _Pack()
    for array in ("past_texts", "corrections", "messages"):
        for item in getattr(content, array):
            size_bytes = message_size_bytes(item)
            if pack.size_bytes and pack.size_bytes + size_bytes > segment_bytes:
                yield pack
                pack = _Pack()
            getattr(pack, array).append(item)
            pack.size_bytes += size_bytes
    if pack.size_bytes:
        yield pack
