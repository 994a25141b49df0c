"""Chatfold's own export: sessions whole, one JSON object each, as `/api/chat/export` gives them.

An export does not say what was there before edits, nor in which revision a message came. Its images
have no past texts, know edited and deleted messages only as they are now, and have all of them come
as late as can be: a reader who continues an older copy gets too much rather than too little.
"""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from app.domain.folding import Reason
from app.domain.image import MessageImage, SessionImage
from app.domain.message import ChatMessage, message_digest
from app.domain.session import ChatSession, SessionHeader
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.domain.source_session import SourceFields
from app.errors import CorruptDocumentError
from app.formats.faults import FaultError
from app.formats.loose_json import decoded_strictly
from app.formats.port import FaultyRecord, Notation, RawRecord, SessionRecord


class ChatfoldExport:
    """The format of exports: each record is a session, told as one."""

    name = "chatfold-export"

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        """Nothing can be told of an export that it does not say itself."""

    def records(
        self,
        raw_records: Iterable[RawRecord],
        notation: Notation = Notation.JSON,  # noqa: ARG002 - the port's; an export has one only
    ) -> Iterator[SessionRecord | FaultyRecord]:
        """One record for each session; see the port."""
        for position, raw, damage in raw_records:
            if raw is None:
                reason = Reason.MALFORMED_JSON if damage else Reason.SESSION_TOO_LARGE
                yield FaultyRecord(position, reason, damage, b"")
                continue
            try:
                key = exported_image(raw).header.key
            except FaultError as fault:
                yield FaultyRecord(position, fault.reason, fault.detail, raw)
            else:
                yield SessionRecord(position, key.session_id, key.user_id, SourceFields(), raw)


def exported_image(raw: bytes) -> SessionImage:
    """The session of a record.

    Raises:
        FaultError: it is none, or does not fit together.
    """
    try:
        decoded = decoded_strictly(raw)
    except ValueError:
        raise FaultError(Reason.MALFORMED_JSON, "The record is not JSON in UTF-8.") from None
    if not isinstance(decoded, dict) or "messages" not in decoded:
        raise FaultError(Reason.NOT_AN_OBJECT, "The record is no session with its messages.")
    try:
        session = ChatSession.model_validate(decoded)
        header = SessionHeader.model_validate(
            {name: value for name, value in decoded.items() if name != "messages"}  # pyright: ignore[reportUnknownVariableType] - of JSON
        )
        image = SessionImage(header, None, _message_images(session))
        image.decoded_messages()
    except ValidationError as error:
        where = "/".join(map(str, error.errors()[0]["loc"]))
        detail = f"The session cannot be one of ours: {where} is missing or wrong."
        raise FaultError(Reason.DAMAGED_SESSION, detail) from None
    except CorruptDocumentError:
        detail = "The session's counts, places or revisions do not fit together."
        raise FaultError(Reason.DAMAGED_SESSION, detail) from None
    return image


def _message_images(session: ChatSession) -> tuple[MessageImage, ...]:
    """The messages, each as late as it can have come."""
    changed = [_is_changed(message) for message in session.messages]
    last_changed = max((seq for seq, is_changed in enumerate(changed) if is_changed), default=-1)
    return tuple(
        MessageImage(
            stored_json=message.to_json(),
            digest=message_digest(
                message.content,
                message.message_type,
                message.metadata,
                message.parent_id,
                message.user_id,
            ),
            appended_revision=session.revision - (seq <= last_changed),
            changed_revision=session.revision if changed[seq] else None,
        )
        for seq, message in enumerate(session.messages)
    )


def _is_changed(message: ChatMessage) -> bool:
    return message.edited_at is not None or message.deleted_at is not None
