"""Between the wire and the domain, both ways; pure."""

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
from app.domain.search import SearchHit, SearchQuery
from app.errors import Fault, InvalidInputError
from app.service.drafts import MessageDraft
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
