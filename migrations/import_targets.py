"""What an import may do with a session's place in the store: the predicates of plan and run."""

from app.domain.folding import Reason
from app.domain.identity import Version
from app.domain.image import SessionImage
from app.domain.message import unplaced_part
from app.errors import DocumentTooLargeError, SessionNotFoundError
from app.store.port import HEADER_ONLY, SessionStore
from migrations.report import SessionState

Verdict = tuple[Reason | None, SessionState]
"""Why a session is not stored where it is refused, and what becomes of it."""

CREATED: Verdict = None, SessionState.CREATED
UNCHANGED: Verdict = None, SessionState.UNCHANGED


async def verdict_on(store: SessionStore, image: SessionImage) -> Verdict:
    """What becomes of a session where only the store has a say."""
    key = image.header.key
    try:
        there = (await store.read(key, HEADER_ONLY)).version
    except SessionNotFoundError:
        if await store.find_deleted([key]):
            return refused(Reason.DELETED_BY_USER)
    else:
        return verdict_beside(there, image)
    try:
        store.limits.check_header(image.header.size_bytes())
        store.limits.check_messages(len(unplaced_part(one.stored_json)) for one in image.messages)
    except DocumentTooLargeError:
        return refused(Reason.SESSION_TOO_LARGE)
    return CREATED


def verdict_beside(there: Version, image: SessionImage) -> Verdict:
    """What becomes of a session whose place has one of this version."""
    version = image.header.version
    if there.generation == version.generation and there.revision >= version.revision:
        return UNCHANGED
    return refused(Reason.TARGET_NOT_OURS)


def refused(reason: Reason) -> Verdict:
    """It is not stored."""
    return reason, SessionState.REFUSED
