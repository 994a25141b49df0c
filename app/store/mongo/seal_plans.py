"""Seal plans: when a head is sealed, which segments come of it, and what is left of the head.

A session is one document until it passes the budget. Once it has segments, its head is kept far
smaller, so that an append costs the same however long the session has become. What is sealed then
is a small segment; some of these become one of full size as soon as there are enough, so that each
message is written twice and most seals read no segment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from app.store.mongo.encoding import STEP_BYTES, Document, message_size_bytes
from app.store.mongo.head import Head
from app.store.mongo.segments import Link, SealedContent, chained_segments

_HARD_FACTOR = 4
_LIVE_SHARE = 16
_KEPT_SHARE = 64


@dataclass(frozen=True, slots=True)
class Budget:
    """How large heads and segments may grow, in bytes of what they embed."""

    segment_bytes: int
    document_bytes: int = 16 * 1024 * 1024
    """What the server allows a document."""

    @property
    def hard_bytes(self) -> int:
        """Beyond this nobody appends to a head that has anything to seal."""
        return min(_HARD_FACTOR * self.segment_bytes, self.document_bytes // 2)

    @property
    def kept_bytes(self) -> int:
        """What a seal leaves in the head, for those who ask only for what is new."""
        return self.segment_bytes // _KEPT_SHARE

    def is_merge_due(self, unmerged_bytes: int, live_bytes: int) -> bool:
        """Whether small segments are to become one: another such seal after this would not fit."""
        return unmerged_bytes > 0 and unmerged_bytes + 2 * live_bytes > self.segment_bytes

    def is_passed_by(self, live_bytes: int, newest_segment: str | None) -> bool:
        """Whether a head should be sealed."""
        share = 1 if newest_segment is None else _LIVE_SHARE
        return live_bytes > self.segment_bytes // share


@dataclass(frozen=True, slots=True)
class SealPlan:
    """Segments to insert, oldest first, and what becomes of the head after that."""

    segments: list[Document]
    replaced: list[str]
    """Ids of the segments whose content is in the new ones."""
    count: int
    """How many of the head's messages are in there."""
    chain_members: Document
    """What to set in the head of where the chain ends."""

    def trimmed(self, head: Head) -> Document:
        """What to set in the head, to which messages may have been appended since."""
        rest = head.messages[self.count :]
        sealed_revision, steps = _after(head, self.count)
        return {
            **self.chain_members,
            "messages": rest,
            "steps": steps,
            "corrections": [],
            "past_texts": [],
            "live_bytes": sum(map(message_size_bytes, rest)) + STEP_BYTES * len(steps),
            "sealed_count": head.sealed_count + self.count,
            "sealed_revision": sealed_revision,
        }


def plan_seal(
    head: Head,
    *,
    keep_bytes: int,
    segment_bytes: int,
    merged: list[Document] | None = None,
    further_past_text: Document | None = None,
    ids: Iterable[str] = (),
) -> SealPlan:
    """How to seal all but the newest messages of a head, of which `keep_bytes` may stay.

    `merged` are the newest segments of its chain, oldest first, whose content moves into the new
    ones; these take the `ids`.
    """
    if STEP_BYTES * len(head.steps) > head.live_bytes // 2:
        keep_bytes = 0  # what takes the room are steps, which go with the messages before them
    sizes = [message_size_bytes(message) for message in head.messages]
    from_the_end = accumulate(reversed(sizes))
    count = len(sizes) - sum(size <= keep_bytes for size in from_the_end)
    revision_of_change = head.revisions_of_changes()

    def sealed(message: Document) -> Document:
        members = {name: value for name, value in message.items() if name != "change"}
        if "change" in message:
            members["changed_revision"] = revision_of_change[message["change"]]
        return members

    merged = merged or []
    content = SealedContent(merged[0]["first_seq"] if merged else head.sealed_count)
    for segment in merged:
        content.take_in_segment(segment)
    further = [] if further_past_text is None else [further_past_text]
    content.take_in(
        [
            {**sealed(message), "revision": revision}
            for message, revision in zip(
                head.messages[:count], head.appended_revisions(), strict=False
            )
        ],
        map(sealed, head.corrections),
        [*head.past_texts, *further],
    )
    content.forget_deleted()
    segments = chained_segments(
        _link(head, merged),
        content,
        until_revision=head.revision,
        segment_bytes=segment_bytes,
        ids=ids,
    )
    members: Document = {}
    if segments:
        members = {
            "newest_segment": segments[-1]["_id"],
            "sealed_until": head.revision,
            **_unmerged(head, segments, segment_bytes, has_merged=bool(merged)),
        }
    return SealPlan(segments, [segment["_id"] for segment in merged], count, members)


def _link(head: Head, merged: list[Document]) -> Link:
    user_id = head.document["user_id"]
    if merged:
        oldest = merged[0]
        return Link(user_id, head.generation, oldest["previous"], oldest["previous_until"])
    return Link(user_id, head.generation, head.newest_segment, head.sealed_until)


def _unmerged(
    head: Head, segments: list[Document], segment_bytes: int, *, has_merged: bool
) -> Document:
    """Where the small segments begin once others have come, and how large they are together."""
    newest = segments[-1]
    size_bytes = newest["size_bytes"]
    if size_bytes > segment_bytes // 2:
        return {"unmerged_from": newest["end_seq"], "unmerged_bytes": 0}
    if has_merged or len(segments) > 1:
        return {"unmerged_from": newest["first_seq"], "unmerged_bytes": size_bytes}
    return {
        "unmerged_from": head.unmerged_from,
        "unmerged_bytes": head.unmerged_bytes + size_bytes,
    }


def _after(head: Head, count: int) -> tuple[int, list[int]]:
    """The sealed revision and the steps that are left once `count` messages have gone."""
    steps = head.steps
    accounted = len(head.messages) - sum(steps)
    taken = 0
    while accounted < count:
        accounted += steps[taken]
        taken += 1
    # Changes that came before the next append say nothing of messages that stay.
    while accounted == count and taken < len(steps) and steps[taken] == 0:
        taken += 1
    return head.sealed_revision + taken, steps[taken:]
