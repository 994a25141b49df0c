"""Between the wire and the domain, both ways; pure."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from app.api.chat.schemas import (
    ErasureReceipt,
    MessageList,
    PostedMessage,
    SearchHitView,
    SessionList,
    SessionRead,
    Stats,
)
from app.api.cursors import Listing
from app.api.etags import parse_since
from app.api.event_stream import ServerEvent
from app.domain.following import (
    Bookmark,
    ChangeKind,
    SessionChange,
    bookmark_text,
    parse_bookmark,
)
from app.domain.search import SearchHit, SearchQuery
from app.errors import AppError, Fault, InvalidInputError
from app.service.drafts import MessageDraft
from app.service.live import Following, Gone, LiveEvent, Lost
from app.service.snippets import snippet_of
from app.service.users import Receipt
from app.store.port import ListFilter, MessageWindow, ReadSelection, UserStats


def draft_of(posted: PostedMessage) -> MessageDraft:
    """A posted message in the words of the service."""
    return MessageDraft(
        content=posted.content,
        id=posted.id,
        message_type=posted.message_type,
        user_id=posted.user_id,
        metadata=posted.metadata,
        created_at=posted.created_at,
        parent_id=posted.parent_id,
    )


def selection_of(read: SessionRead) -> ReadSelection:
    """What a read's parameters select.

    Raises:
        InvalidInputError: they contradict each other, or `since` is no entity tag.
    """
    _check_at_most_one(
        after_seq=read.after_seq is not None,
        since=read.since is not None,
        messages=read.messages == "none",
    )
    return ReadSelection(
        after_seq=read.after_seq,
        since=None if read.since is None else parse_since(read.since),
        with_messages=read.messages == "all",
    )


def window_of(wanted: MessageList) -> MessageWindow:
    """Which places a page's parameters ask for.

    Raises:
        InvalidInputError: they contradict each other.
    """
    _check_at_most_one(
        after_seq=wanted.after_seq is not None,
        before_seq=wanted.before_seq is not None,
        offset=wanted.offset is not None,
    )
    return MessageWindow(
        limit=wanted.limit,
        after_seq=wanted.after_seq,
        before_seq=wanted.before_seq,
        offset=wanted.offset,
    )


def filter_of(wanted: SessionList) -> ListFilter:
    """What a list's parameters let through."""
    return ListFilter(
        status=wanted.status,
        is_active=wanted.is_active,
        project_id=wanted.project_id,
        tag=wanted.tag,
        is_pinned=wanted.is_pinned,
        name_contains=wanted.q,
    )


def listing_of(user_id: str, wanted: SessionList) -> Listing:
    """The listing that a list's cursors belong to; the page's size is no part of it."""
    return Listing(
        "sessions",
        user_id,
        wanted.order,
        wanted.status,
        wanted.is_active,
        wanted.project_id,
        wanted.tag,
        wanted.is_pinned,
        wanted.q,
        kinds=(str, str),
    )


def hit_view(hit: SearchHit, query: SearchQuery) -> SearchHitView:
    """A hit with the part of its text that was found."""
    return SearchHitView(
        session_id=hit.session_id,
        session_name=hit.session_name,
        seq=hit.seq,
        message_id=hit.message_id,
        message_type=hit.message_type,
        snippet=snippet_of(hit.text, query),
        created_at=hit.created_at,
    )


def stats_view(stats: UserStats) -> Stats:
    """Counts on the wire."""
    return Stats(
        session_count=stats.session_count,
        message_count=stats.message_count,
        first_activity_at=stats.first_activity_at,
        last_activity_at=stats.last_activity_at,
    )


def receipt_view(receipt: Receipt) -> ErasureReceipt:
    """A receipt on the wire."""
    return ErasureReceipt(
        session_count=receipt.erasure.session_count,
        message_count=receipt.erasure.message_count,
        past_text_count=receipt.erasure.past_text_count,
        document_count=receipt.erasure.document_count,
        ledger_part_count=receipt.erasure.ledger_part_count,
        not_reached=list(receipt.erasure.not_reached),
        erased_at=receipt.erased_at,
    )


def _check_at_most_one(**is_given: bool) -> None:
    given = [name for name, is_there in is_given.items() if is_there]
    if len(given) > 1:
        raise InvalidInputError(
            *(Fault(name, f"cannot stand beside {given[0]}") for name in given[1:])
        )


def bookmark_of(last_event_id: str | None, since: str | None) -> Bookmark | None:
    """From where on a reader wants events; None is from now.

    A browser that connects again repeats the address it began with and adds the header, so the
    header is the later one.

    Raises:
        InvalidInputError: it is no id of an event of ours.
    """
    name, text = ("Last-Event-ID", last_event_id) if last_event_id else ("since", since)
    if text is None:
        return None
    bookmark = parse_bookmark(text)
    if bookmark is None:
        raise InvalidInputError(Fault(name, "must be <generation>.<next_seq>.<changes>"))
    return bookmark


async def server_events(
    events: AsyncGenerator[LiveEvent], problem_json: Callable[[AppError], bytes]
) -> AsyncGenerator[ServerEvent]:
    """What happens in a session as events, up to an `error` where it cannot be told any more."""
    async with aclosing(events):
        try:
            async for event in events:
                yield server_event(event)
        except AppError as error:
            yield ServerEvent("error", problem_json(error))


def server_event(event: LiveEvent) -> ServerEvent:
    """One thing that happens in a session, as an event."""
    match event:
        case SessionChange():
            return ServerEvent(_EVENT_NAMES[event.kind], event.json, bookmark_text(event.bookmark))
        case Following():
            return ServerEvent("ready", event.bookmark._asdict(), bookmark_text(event.bookmark))
        case Lost():
            return ServerEvent("gap", event.bookmark._asdict(), bookmark_text(event.bookmark))
        case Gone():
            return ServerEvent("deleted", {})


_EVENT_NAMES = {
    ChangeKind.APPENDED: "message",
    ChangeKind.EDITED: "message_edited",
    ChangeKind.DELETED: "message_deleted",
    ChangeKind.HEADER: "session",
}
