"""Lives: which of two sessions of one key came first, and which was deleted; by marks and dates."""

from datetime import datetime

from app.domain.identity import SessionKey
from app.domain.session import SessionHeader
from app.store.marking import Marking
from app.store.port import SessionStore
from app.store.sides import Side


async def find_end(store: SessionStore, last_seen: SessionHeader) -> datetime | None:
    """When a session that the store does not have was deleted there; None where it was not.

    A deletion from before the session was last written to was another's under the same key.
    """
    deleted_at = await _find_deletion_date(store, last_seen.key)
    return deleted_at if deleted_at and deleted_at >= last_seen.updated_at else None


async def is_deleted_in(target: SessionStore, source: Side, key: SessionKey) -> bool:
    """Whether the source's session was deleted in the target, which does not have it.

    A deletion from before the session was made was another's under the same key.

    Raises:
        SessionNotFoundError: the source does not have it either.
        DamagedSideError: the source's header cannot be decoded.
    """
    deleted_at = await _find_deletion_date(target, key)
    return deleted_at is not None and deleted_at > (await source.header(key)).created_at


def came_before(one: SessionHeader, other: SessionHeader) -> bool:
    """Whether nobody wrote to the one any more when the other was made."""
    return one.updated_at <= other.created_at


async def is_user_erased_in(store: SessionStore, user_id: str) -> bool:
    """Whether a user was erased there, whatever they have made since."""
    return await _find_mark_date(store, Marking(store.marking_secret).mark(user_id)) is not None


async def _find_deletion_date(store: SessionStore, key: SessionKey) -> datetime | None:
    """The last date of the marks of a key and of its user.

    The mark of a session that was made anew is cleared, that of an erased user is not.
    """
    marking = Marking(store.marking_secret)
    marks = (marking.mark(*key), marking.mark(key.user_id))
    dates = [await _find_mark_date(store, mark) for mark in marks]
    return max((date for date in dates if date is not None), default=None)


async def _find_mark_date(store: SessionStore, mark: bytes) -> datetime | None:
    found = await store.list_marks(after=_before(mark), limit=1)
    return next((one.at for one in found if one.mark == mark), None)


def _before(mark: bytes) -> bytes:
    """The mark after which this one comes first: stores list marks, and look none up."""
    return max(int.from_bytes(mark) - 1, 0).to_bytes(len(mark))
