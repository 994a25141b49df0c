"""Served sessions: what a source says of one, folded in memory, exactly as a run folds it."""

from collections.abc import Iterable
from hashlib import blake2b

from app.domain.folding import SessionFold, SourceMessage, folded_session, told_first
from app.domain.identity import SessionKey, derived_generation
from app.domain.limits import StoreLimits
from app.domain.session import NewSession
from app.domain.source_session import SourceSession


def served_session(
    key: SessionKey,
    format_name: str,
    messages: Iterable[SourceMessage],
    told: Iterable[SourceSession],
    limits: StoreLimits,
) -> NewSession | None:
    """The session that these records make, whatever their order; None where they make none.

    All of them are of the session's owner. Its generation changes with what they say, and with
    nothing else.
    """
    session, _ = told_first(key, sorted(told), header_limit_bytes=limits.header_bytes)
    fold = SessionFold(key, message_limit_bytes=limits.message_bytes)
    folded = fold.fold(sorted(messages)).messages
    if not folded and (session is None or not session.fields.has_date):
        return None
    content = blake2b(b"" if session is None else session.fields_json, digest_size=16)
    for message in folded:
        content.update(b"%d:%b" % (len(message.unplaced_json), message.unplaced_json))
    generation = derived_generation("legacy-session", format_name, *key, content.hexdigest())
    return folded_session(key, format_name, folded, session, generation=generation)
