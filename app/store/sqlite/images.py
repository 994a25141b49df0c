"""Images: sessions with all that the file knows of them, read and stored whole."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from app.domain.identity import SessionKey, Version
from app.domain.image import MessageImage, SessionImage
from app.domain.instants import instant_text
from app.domain.limits import StoreLimits
from app.domain.message import PastText, unplaced_part
from app.errors import CorruptDocumentError, SessionExistsError
from app.store.port import PutOutcome
from app.store.sqlite import bodies, headers
from app.store.sqlite.deletion import delete_session
from app.store.sqlite.message_rows import decoded_past_text
from app.store.sqlite.session_row import SessionRow, find_session
from app.store.sqlite.statements import Value, rows, run_many


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image with all that can be made of it before the transaction."""

    image: SessionImage
    details: str
    newest_message_at: str | None
    message_rows: Sequence[tuple[Value, ...]]
    size_bytes: int
    """Of all messages."""
    runs: Sequence[bodies.PreparedRuns]
    past_text_rows: Sequence[tuple[Value, ...]]


def prepared(image: SessionImage, limits: StoreLimits) -> PreparedImage:
    """The image on its way into the file.

    Raises:
        DocumentTooLargeError: a message or the header passes the limits.
        CorruptDocumentError: it does not fit together.
    """
    messages = image.decoded_messages()
    limits.check_header(image.header.size_bytes())
    limits.check_messages(len(unplaced_part(one.stored_json)) for one in image.messages)
    dates = [instant_text(message.created_at) for message in messages]
    message_bodies = [one.stored_json for one in image.messages]
    return PreparedImage(
        image,
        image.header.details_json().decode(),
        max(dates, default=None),
        [
            (
                message.seq,
                message.id,
                one.digest,
                one.appended_revision,
                one.changed_revision,
                date,
                message.is_deleted,
            )
            for message, one, date in zip(messages, image.messages, dates, strict=True)
        ],
        sum(map(len, message_bodies)),
        bodies.prepared_runs(message_bodies),
        [
            (seq, edit_number, past.model_dump_json())
            for seq, one in enumerate(image.messages)
            for edit_number, past in enumerate(one.past_texts, start=1)
        ],
    )


def put_image(connection: apsw.Connection, prepared: PreparedImage) -> PutOutcome:
    """Store the session; see the port. What it replaces will be swept up."""
    image = prepared.image
    existing = find_session(connection, image.header.key)
    if existing is not None:
        if existing.version == image.header.version:
            return PutOutcome.PRESENT
        if not image.continues(read_image(connection, existing)):
            raise SessionExistsError(image.header.id)
        delete_session(connection, existing)
    _insert(connection, prepared)
    return PutOutcome.STORED if existing is None else PutOutcome.REPLACED


def take_back(
    connection: apsw.Connection, key: SessionKey, version: Version, earlier: PreparedImage | None
) -> bool:
    """Remove the session, or put an earlier state in its place; see the port."""
    existing = find_session(connection, key)
    if existing is None or existing.version != version:
        return False
    delete_session(connection, existing)
    if earlier is not None:
        _insert(connection, earlier)
    return True


def _insert(connection: apsw.Connection, prepared: PreparedImage) -> None:
    image = prepared.image
    session_key = headers.insert_header(
        connection,
        image.header,
        image.creation_digest,
        prepared.details,
        newest_message_at=prepared.newest_message_at,
        size_bytes=prepared.size_bytes,
    )
    run_many(
        connection,
        f"INSERT INTO message VALUES ({session_key}, ?, ?, ?, ?, ?, ?, ?, NULL)",
        prepared.message_rows,
    )
    run_many(
        connection,
        f"INSERT INTO past_text VALUES ({session_key}, ?, ?, ?)",
        prepared.past_text_rows,
    )
    bodies.insert_runs(connection, session_key, prepared.runs)


def read_image(connection: apsw.Connection, row: SessionRow) -> SessionImage:
    """The session, once its rows and bodies are seen to say the same.

    Raises:
        CorruptDocumentError: they do not, or one cannot be decoded.
    """
    past_texts: defaultdict[int, list[PastText]] = defaultdict(list)
    for seq, past in rows(
        connection,
        "SELECT seq, past FROM past_text WHERE session_key = ? ORDER BY seq, edit_number",
        (row.session_key,),
    ):
        past_texts[seq].append(decoded_past_text(past))
    stored = bodies.read_range(connection, row, 0, row.next_seq)
    identities = list(
        rows(
            connection,
            "SELECT seq, id, created_at, is_deleted FROM message WHERE session_key = ?"
            " ORDER BY seq",
            (row.session_key,),
        )
    )
    revisions = rows(
        connection,
        "SELECT digest, appended_revision, changed_revision FROM message WHERE session_key = ?"
        " ORDER BY seq",
        (row.session_key,),
    )
    if len(identities) != row.next_seq:
        raise CorruptDocumentError("list of messages")
    image = SessionImage(
        headers.read_header(connection, row),
        headers.creation_digest(connection, row),
        tuple(
            MessageImage(
                body, digest, appended_revision, changed_revision, tuple(past_texts.pop(seq, ()))
            )
            for seq, (body, (digest, appended_revision, changed_revision)) in enumerate(
                zip(stored, revisions, strict=True)
            )
        ),
    )
    for message, identity in zip(image.decoded_messages(), identities, strict=True):
        date = instant_text(message.created_at)
        if identity != (message.seq, message.id, date, message.is_deleted):
            raise CorruptDocumentError("message")
    if past_texts:
        raise CorruptDocumentError("past text")
    return image
