"""Factories: valid defaults, so that a test names only what it is about."""

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

from app.domain.identity import SessionKey
from app.domain.message import MessageEdit, MessageType, NewMessage, Wording
from app.domain.session import HeaderChange, NewSession, Origin, SessionFields
from tests.fake_clock import START

ADA = "ada"
BOB = "bob"
KEY = SessionKey(ADA, "session")
"""The session most tests are about."""

_generations = count(1)


def make_message(
    id: str = "m0",  # noqa: A002 - the word of the domain
    content: str | None = None,
    *,
    message_type: MessageType = MessageType.USER,
    user_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    created_at: datetime = START,
    parent_id: str | None = None,
    is_id_fresh: bool = False,
) -> NewMessage:
    return NewMessage(
        id=id,
        content=f"the text of {id}" if content is None else content,
        message_type=message_type,
        user_id=user_id,
        metadata=metadata or {},
        created_at=created_at,
        parent_id=parent_id,
        is_id_fresh=is_id_fresh,
    )


def make_messages(number: int, *, first: int = 0) -> list[NewMessage]:
    """Messages `m<first>`, `m<first+1>`, …"""
    return [make_message(f"m{first + index}") for index in range(number)]


def make_reply(
    id: str = "reply",  # noqa: A002 - the word of the domain
    content: str | None = None,
    *,
    in_reply_to: str = "m0",
    status: str = "complete",
) -> NewMessage:
    """A message that an assistant has written."""
    return make_message(
        id,
        content,
        message_type=MessageType.ASSISTANT,
        metadata={"reply": {"status": status, "in_reply_to": in_reply_to}},
    )


def make_new_session(
    key: SessionKey = KEY,
    *,
    messages: Iterable[NewMessage] = (),
    origin: Origin | None = None,
    generation: str | None = None,
    created_at: datetime = START,
    updated_at: datetime | None = None,
    creation_digest: bytes | None = None,
    **fields: Any,
) -> NewSession:
    """A session with a generation of its own; further names are those of `SessionFields`."""
    return NewSession(
        key=key,
        fields=SessionFields(**fields),
        messages=tuple(messages),
        origin=origin,
        generation=generation or f"{next(_generations):016x}",
        created_at=created_at,
        updated_at=updated_at or created_at,
        creation_digest=creation_digest,
    )


def make_put(at: datetime = START, **members: Any) -> HeaderChange:
    """The named members are set."""
    return HeaderChange(members=members, at=at)


def make_patch(at: datetime = START, **members: Any) -> HeaderChange:
    """The named members are merged."""
    return HeaderChange(members=members, is_merge=True, at=at)


def make_edit(
    content: str | None = None,
    *,
    metadata: dict[str, Any] | None = None,
    at: datetime = START,
    replaces: Wording | None = None,
    keeps_past: bool = True,
) -> MessageEdit:
    return MessageEdit(
        content=content, metadata=metadata, at=at, replaces=replaces, keeps_past=keeps_past
    )
