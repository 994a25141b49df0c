"""Building: whole sessions as heads and segments, for those that come with their messages."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.session import SessionHeader
from app.store.mongo.encoding import (
    STEP_BYTES,
    Document,
    message_size_bytes,
    stored_header,
)
from app.store.mongo.head import Head
from app.store.mongo.seal_plans import Budget, plan_seal


@dataclass(frozen=True, slots=True)
class Built:
    """A session on its way in: segments first, then the head that makes them exist."""

    head: Head
    segments: Sequence[Document]


def built(
    head_id: str,
    header: SessionHeader,
    creation_digest: bytes | None,
    messages: list[Document],
    *,
    budget: Budget,
    appended_revisions: Iterable[int] = (),
    changed_revisions: Iterable[int | None] = (),
    past_texts: list[Document] | None = None,
) -> Built:
    """A session of some version; without revisions, all messages came with its creation."""
    counts = Counter(appended_revisions)
    steps = [counts[revision] for revision in range(2, header.revision + 1)]
    past_texts = past_texts or []
    document: Document = {
        "_id": head_id,
        **stored_header(header),
        "creation_digest": creation_digest,
        "messages": messages,
        "steps": steps,
        "corrections": [],
        "past_texts": past_texts,
        "live_bytes": sum(map(message_size_bytes, [*messages, *past_texts]))
        + STEP_BYTES * len(steps),
        "sealed_count": 0,
        "sealed_revision": 1,
        "newest_segment": None,
        "unmerged_from": 0,
        "unmerged_bytes": 0,
        "sealed_until": 0,
    }
    if messages:
        # Left out where there is none: some servers cannot compare null with what comes later.
        document["newest_message_at"] = max(message["created_at"] for message in messages)
    head = Head(document)
    for message, revision in zip(messages, changed_revisions, strict=False):
        if revision is not None:
            message["change"] = head.changes_until(revision)
    if not budget.is_passed_by(head.live_bytes, None):
        return Built(head, ())
    plan = plan_seal(head, keep_bytes=budget.kept_bytes, segment_bytes=budget.segment_bytes)
    return Built(Head({**document, **plan.trimmed(head)}), plan.segments)
