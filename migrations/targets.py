"""What a fold may do with a session's place in the store: the predicates of plan and run."""

from enum import Enum, auto

from app.domain.folding import Reason
from app.domain.identity import SessionKey
from app.domain.session import SessionHeader
from app.errors import SessionNotFoundError
from app.formats.port import Format
from app.store.port import HEADER_ONLY, SessionStore


class Target(Enum):
    """Who has a session's place in the store."""

    FREE = auto()
    OURS = auto()
    """A fold of this format made it from the same source session; it may be completed."""
    OTHERS = auto()
    DELETED = auto()

    @property
    def refusal(self) -> Reason | None:
        """Why nothing may be stored there; None where it may."""
        return _REFUSALS.get(self)


_REFUSALS = {Target.OTHERS: Reason.TARGET_NOT_OURS, Target.DELETED: Reason.DELETED_BY_USER}


async def look_at_target(
    store: SessionStore, source_format: Format, key: SessionKey
) -> tuple[Target, SessionHeader | None]:
    """Who has the place of this key, and the header of what is there."""
    try:
        header = (await store.read(key, HEADER_ONLY)).header()
    except SessionNotFoundError:
        is_deleted = await store.find_deleted([key])
        return Target.DELETED if is_deleted else Target.FREE, None
    return Target.OURS if _is_ours(header, source_format) else Target.OTHERS, header


def _is_ours(header: SessionHeader, source_format: Format) -> bool:
    origin = header.origin
    return (
        origin is not None and origin.format == source_format.name and origin.source_id == header.id
    )
