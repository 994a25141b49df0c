"""Listed sessions: all that a list of a user's sessions has, page after page."""

from collections.abc import AsyncIterator

from app.domain.encoded import decoded_summary
from app.domain.page import Position
from app.domain.session import SessionSummary
from app.store.port import NO_FILTER, PAGE_LIMIT, ListFilter, ListOrder, SessionStore


async def summaries_of(
    store: SessionStore,
    user_id: str,
    wanted: ListFilter = NO_FILTER,
    *,
    order: ListOrder = ListOrder.ACTIVITY,
) -> AsyncIterator[SessionSummary]:
    """The summaries of all sessions that are wanted; a page of them is in memory at a time."""
    after: Position | None = None
    while True:
        page = await store.list_summaries(
            user_id, order=order, filter=wanted, limit=PAGE_LIMIT, after=after
        )
        for summary in page.items:
            yield decoded_summary(summary)
        after = page.next_position
        if after is None:
            return
