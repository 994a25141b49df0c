"""Segments: how sealed messages are packed into documents, chained, and found again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain
from uuid import uuid4

from app.domain.search import terms_of
from app.store.mongo.encoding import Document, message_size_bytes

ANY = ""
"""In the place of terms where they would be too many: every search looks into such a segment."""

_TERMS_LIMIT_BYTES = 768 * 1024
"""More than 256 KiB of any text have. A message of 8 MiB may have terms of 60 MiB."""
_TERM_OVERHEAD_BYTES = 14  # its number in the array, and what frames it


@dataclass(slots=True)
class SealedContent:
    """What goes into segments, in its stored form: messages, and what belongs to them."""

    first_seq: int
    messages: list[Document] = field(default_factory=list[Document])
    corrections: list[Document] = field(default_factory=list[Document])
    """Of messages before `first_seq`; the latest of each."""
    past_texts: list[Document] = field(default_factory=list[Document])
    merged_terms: set[str] | None = field(default_factory=set[str])
    """What the first `merged_count` messages and their corrections are found by; None where one
    of them has been corrected, so that they are to be made anew."""
    merged_count: int = 0

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
                others = [one for one in self.corrections if one["seq"] != correction["seq"]]
                if len(others) < len(self.corrections):
                    self.merged_terms = None
                self.corrections = [*others, correction]
            else:
                corrected = {name: value for name, value in correction.items() if name != "seq"}
                corrected["revision"] = self.messages[index]["revision"]
                self.messages[index] = corrected
                if index < self.merged_count:
                    self.merged_terms = None  # the words of a deleted text go with it

    def take_in_segment(self, segment: Document) -> None:
        """Go on with a segment that is to be merged with what follows."""
        self.take_in(segment["messages"], segment["corrections"], segment["past_texts"])
        self.merged_count = len(self.messages)
        if self.merged_terms is not None:
            self.merged_terms.update(segment["terms"])

    def forget_deleted(self) -> None:
        """Drop what deleted messages said before; a segment may be merged before it forgets."""
        tombstones = {one["seq"] for one in self.corrections if "deleted_at" in one}
        for seq, message in enumerate(self.messages, self.first_seq):
            if "deleted_at" in message:
                tombstones.add(seq)
        self.past_texts = [past for past in self.past_texts if past["seq"] not in tombstones]

    def terms(self) -> list[str]:
        """What all of it is found by."""
        if self.merged_terms is None:
            return distinct_terms(self.messages, self.corrections)
        fresh = _terms_in(self.messages[self.merged_count :], self.corrections)
        return _limited(self.merged_terms | fresh)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain goes on."""

    user_id: str
    generation: str
    previous: str | None = None
    previous_until: int = 0


def chained_segments(
    link: Link,
    content: SealedContent,
    *,
    until_revision: int,
    segment_bytes: int,
    ids: Iterable[str] = (),
) -> list[Document]:
    """The content as segments of about a size, oldest first, linked to the chain and each other.

    They take the `ids` first, where there are any.
    """
    segments: list[Document] = []
    given_ids = iter(ids)
    previous, previous_until = link.previous, link.previous_until
    for part, size_bytes in _parts(content, segment_bytes):
        segment_id = next(given_ids, None) or uuid4().hex
        segments.append(
            {
                "_id": segment_id,
                "user_id": link.user_id,
                "generation": link.generation,
                "previous": previous,
                "previous_until": previous_until,
                "first_seq": part.first_seq,
                "end_seq": part.first_seq + len(part.messages),
                "until_revision": until_revision,
                "size_bytes": size_bytes,
                "messages": part.messages,
                "corrections": part.corrections,
                "past_texts": part.past_texts,
                "message_keys": [message_key(link.generation, one["id"]) for one in part.messages],
                "terms": part.terms(),
                "forgotten_revision": 0,
            }
        )
        previous, previous_until = segment_id, until_revision
    return segments


def message_key(generation: str, message_id: str) -> int:
    """What finds a sealed message's segment: 64 bits of a hash, with a sign as BSON wants it."""
    hashed = blake2b(f"{generation}/{message_id}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "big", signed=True)


def distinct_terms(*groups: Sequence[Document]) -> list[str]:
    """What a search finds a segment by: the terms of its texts, each once."""
    return _limited(_terms_in(*groups))


def _terms_in(*groups: Sequence[Document]) -> set[str]:
    terms: set[str] = set()
    for one in chain.from_iterable(groups):
        terms.update(terms_of(one["content"]))
    return terms


def _limited(terms: set[str]) -> list[str]:
    size_bytes = len("".join(terms).encode()) + _TERM_OVERHEAD_BYTES * len(terms)
    return sorted(terms) if size_bytes <= _TERMS_LIMIT_BYTES and ANY not in terms else [ANY]


def _parts(content: SealedContent, segment_bytes: int) -> Iterator[tuple[SealedContent, int]]:
    """The content in parts of about a size, with their sizes; whole where it fits.

    Past texts and corrections come before the messages, which were sealed after them.
    """
    arrays = [(name, getattr(content, name)) for name in ("past_texts", "corrections", "messages")]
    sized = [(name, item, message_size_bytes(item)) for name, items in arrays for item in items]
    whole_bytes = sum(size_bytes for _, _, size_bytes in sized)
    if whole_bytes <= segment_bytes:
        if sized:
            yield content, whole_bytes
        return
    part, part_bytes = SealedContent(content.first_seq), 0
    for name, item, size_bytes in sized:
        if part_bytes and part_bytes + size_bytes > segment_bytes:
            yield part, part_bytes
            part, part_bytes = SealedContent(part.first_seq + len(part.messages)), 0
        getattr(part, name).append(item)
        part_bytes += size_bytes
    yield part, part_bytes
