"""Merging: pages of a store and of what only sources have, as one list; pure."""

from collections.abc import Iterable, Sequence

from app.domain.encoded import EncodedSummary, decoded_summary
from app.domain.instants import instant_text
from app.domain.page import Page, Position
from app.domain.search import SearchHit, SearchHits
from app.legacy.port import LegacySummary, list_position
from app.store.port import ListFilter, ListOrder, OwnedMessage


def merged_summaries(
    page: Page[EncodedSummary],
    legacy: Iterable[LegacySummary],
    *,
    order: ListOrder,
    filter: ListFilter,  # noqa: A002 - the word of the domain
    limit: int,
    after: Position | None,
) -> Page[EncodedSummary]:
    """One page of both; the store's was asked for with the same order, filter, limit and start."""
    is_falling = order is ListOrder.ACTIVITY
    placed = [
        (one.position(order), one.marked_json) for one in legacy if filter.admits(one.summary)
    ]
    if after is not None:
        placed = [one for one in placed if (one[0] < after if is_falling else one[0] > after)]
    placed += [(list_position(decoded_summary(one), order), one) for one in page.items]
    placed.sort(reverse=is_falling)
    shown = placed[:limit]
    has_more = len(placed) > limit or page.next_position is not None
    return Page(tuple(one for _, one in shown), shown[-1][0] if has_more else None)


def merged_hits(parts: Sequence[SearchHits], *, limit: int, left_out: int) -> SearchHits:
    """The newest hits of all parts, of which none has more than the limit."""
    hits = sorted((hit for part in parts for hit in part.items), key=_hit_position, reverse=True)
    has_more = len(hits) > limit or any(part.next_position is not None for part in parts)
    return SearchHits(
        tuple(hits[:limit]),
        _hit_position(hits[limit - 1]) if has_more else None,
        left_out + sum(part.sessions_left_out for part in parts),
    )


def in_order(messages: Iterable[OwnedMessage]) -> list[OwnedMessage]:
    """Messages of several sessions, the oldest first."""
    return sorted(
        messages, key=lambda one: (one.message.created_at, one.session_id, one.message.seq)
    )


def _hit_position(hit: SearchHit) -> Position:
    place = -1 if hit.seq is None else hit.seq
    return (instant_text(hit.created_at), hit.session_id, place)
