"""`python -m bench.stored_sizes`: what messages take in MongoDB, measured on the published chats.

Documents are encoded with the store's own functions and the driver's `bson`; no server is asked.
Each corpus is measured as it is, and once more with neighbours joined into messages of at least 500
characters, about as long as an assistant's. Segments are filled with the sessions of one user in
turn, since few of the published sessions are long enough to be sealed.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import bson

from app.domain.message import (
    EncodedMessage,
    MessageType,
    encode_after_id,
    message_digest,
    unplaced_json,
)
from app.store.mongo.encoding import Document, stored_new_message
from app.store.mongo.segments import Link, SealedContent, chained_segments
from bench.markdown import table

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"

FULL_SEGMENT_BYTES = 192 * 1024
"""Where merging ends under the default budget, 256 KiB; see `bench.session_layout`."""

_JOINED_CHARACTERS = 500
_BLOCK_BYTES = 32 * 1024
_SHORTEST_PREFIX_BYTES = 4
"""WiredTiger leaves shorter common prefixes of keys alone."""


@dataclass(frozen=True, slots=True)
class StoredSizes:
    """Means over one corpus."""

    messages: int
    """How many were measured."""
    content_bytes: float
    json_bytes: float
    """A message on the wire."""
    message_bytes: float
    """A message in a head, with its key in the array and its step."""
    sealed_message_bytes: float
    """A message in a segment, with its share of keys and terms."""
    messages_per_segment: float
    terms_per_segment: float
    """Distinct ones, each an entry of an index."""
    term_key_bytes: float
    """Of such an entry, without the user's id and what neighbours share."""
    compressed: float
    """zlib's share of the segments' bytes, in blocks of 32 KiB."""


MEASURED = {
    "dialogs": StoredSizes(120746, 139.7, 495.5, 448.1, 552.8, 389.3, 1061.8, 1.1, 0.262),
    "dialogs, joined": StoredSizes(19897, 853.1, 1508.6, 1439.1, 1828.8, 117.5, 1162.9, 1.6, 0.237),
    "ubuntu-irc": StoredSizes(266123, 57.3, 359.2, 321.0, 376.6, 590.8, 1407.0, 1.0, 0.276),
    "ubuntu-irc, joined": StoredSizes(
        28112, 550.8, 860.9, 812.5, 1066.8, 237.6, 3330.4, 1.2, 0.377
    ),
}
"""By name, as `measure` found them; a test measures the second anew."""


def measure(corpus: str, *, is_joined: bool) -> StoredSizes:
    """Read a corpus and encode it."""
    content = wire = stored = count = 0
    segments: list[Document] = []
    for _, sessions in groupby(_sessions(corpus), key=lambda session: session[0]["user_id"]):
        stream: list[Document] = []
        for session in sessions:
            for place, record in enumerate(_joined(session) if is_joined else session):
                message, wire_bytes = _encoded(record, place)
                content += len(record["content"].encode())
                wire += wire_bytes
                stored += _element_bytes(place, message)
                count += 1
                stream.append({**message, "revision": place + 1})
        segments.extend(_segments(stream))
    sealed = [bson.encode(segment) for segment in segments]
    sealed_count = sum(len(segment["messages"]) for segment in segments)
    term_count = sum(len(segment["terms"]) for segment in segments)
    return StoredSizes(
        messages=count,
        content_bytes=round(content / count, 1),
        json_bytes=round(wire / count, 1),
        message_bytes=round(stored / count, 1),
        sealed_message_bytes=round(sum(map(len, sealed)) / sealed_count, 1),
        messages_per_segment=round(sealed_count / len(segments), 1),
        terms_per_segment=round(term_count / len(segments), 1),
        term_key_bytes=round(_term_key_bytes(segments) / term_count, 1),
        compressed=round(_compressed(sealed), 3),
    )


def _sessions(corpus: str) -> Iterator[list[dict[str, Any]]]:
    """The sessions of a corpus, those of a user in a row."""
    with gzip.open(DATA / f"{corpus}.messages.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = map(json.loads, lines)
        sessions = [list(group) for _, group in groupby(records, key=lambda one: one["session_id"])]
    sessions.sort(key=lambda session: (session[0]["user_id"], session[0]["session_id"]))
    yield from sessions


def _joined(session: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    start = size = 0
    for end, record in enumerate(session, 1):
        size += len(record["content"]) + 1
        if size >= _JOINED_CHARACTERS or end == len(session):
            together = "\n".join(one["content"] for one in session[start:end])
            yield {**session[start], "content": together}
            start, size = end, 0


def _encoded(record: dict[str, Any], place: int) -> tuple[Document, int]:
    kind = MessageType(record["message_type"])
    after_id = encode_after_id(
        content=record["content"],
        message_type=kind,
        metadata=record["metadata"],
        created_at=record["created_at"],
    )
    wire = unplaced_json(record["id"], after_id)
    digest = message_digest(record["content"], kind, record["metadata"], None, None)
    message = EncodedMessage(record["id"], record["created_at"], digest, wire)
    return stored_new_message(message), len(wire) + len(f'"seq":{place},')


def _element_bytes(place: int, message: Document) -> int:
    key_bytes = len(f"{place}") + 2  # the element's type and a NUL
    return len(bson.encode(message)) + key_bytes + key_bytes + 4  # the step is an int32


def _segments(stream: list[Document]) -> list[Document]:
    """Whole segments as a seal inserts them; what is left over stays in the head."""
    link = Link(user_id="0" * 24, generation="0" * 16, previous="0" * 32)
    content = SealedContent(first_seq=0, messages=stream)
    return chained_segments(link, content, until_revision=1, segment_bytes=FULL_SEGMENT_BYTES)[:-1]


def _term_key_bytes(segments: Iterable[Document]) -> int:
    """Of all terms as an index of one user sorts them, without what each shares with the last."""
    keys = sorted(term.encode() for segment in segments for term in segment["terms"])
    return len(keys[0]) + sum(_unshared_bytes(*neighbours) for neighbours in pairwise(keys))


def _unshared_bytes(before: bytes, key: bytes) -> int:
    shared = 0
    while shared < min(len(before), len(key)) and before[shared] == key[shared]:
        shared += 1
    return len(key) - (shared if shared >= _SHORTEST_PREFIX_BYTES else 0)


def _compressed(documents: Iterable[bytes]) -> float:
    together = b"".join(documents)
    blocks = range(0, len(together), _BLOCK_BYTES)
    packed = sum(len(zlib.compress(together[start : start + _BLOCK_BYTES])) for start in blocks)
    return packed / len(together)


def tables(measured: dict[str, StoredSizes]) -> list[str]:
    """A row per corpus, in Markdown."""
    header = (
        "bytes, means",
        "messages",
        "text",
        "JSON",
        "in a head",
        "in a segment",
        "messages a segment",
        "terms a segment",
        "zlib",
    )
    rows = [
        (
            name,
            f"{one.messages:,}",
            f"{one.content_bytes:,.0f}",
            f"{one.json_bytes:,.0f}",
            f"{one.message_bytes:,.0f}",
            f"{one.sealed_message_bytes:,.0f}",
            f"{one.messages_per_segment:,.0f}",
            f"{one.terms_per_segment:,.0f}",
            f"{one.compressed:.2f}",
        )
        for name, one in measured.items()
    ]
    return [table(header, rows)]


def main() -> None:
    """Measure everything and print it."""
    measured = {
        name: measure(name.partition(",")[0], is_joined="joined" in name) for name in MEASURED
    }
    print("\n".join(f"{name!r}: {sizes!r}," for name, sizes in measured.items()))
    print(*tables(measured), sep="\n\n")


if __name__ == "__main__":
    main()
