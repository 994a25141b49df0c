"""A session with every kind of history, made through the port as users make it, and its image."""

from dataclasses import replace
from typing import Any

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.message import MessageType
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.factories import KEY, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import instant

GENERATION = "0123456789abcdef"
CREATION_DIGEST = b"created once"
VERSION = Version(GENERATION, 7)
"""After all of it."""

FIRST = make_message("m0", "what was said first", metadata={"b": 1, "a": [1.5, 10**30]})
LATER = make_message("m2", "an answer", message_type=MessageType.ASSISTANT, parent_id="m0")


async def live(store: SessionStore, key: SessionKey = KEY) -> None:
    """Two messages at creation, two appended one by one, edits, a deletion, another name."""
    await store.insert(
        make_new_session(
            key,
            messages=[FIRST, make_message("m1", "soon forgotten")],
            generation=GENERATION,
            creation_digest=CREATION_DIGEST,
            session_name="A long life",
            tags=["lived"],
            context={"z": {"y": None}, "a.b": "$set"},
        )
    )
    await store.append(key, [LATER], at=instant(2))  # revision 2
    await store.append(key, [make_message("m3", "会话的最后")], at=instant(3))  # 3
    await store.edit_message(key, "m0", make_edit("said again", at=instant(4)))  # 4
    await store.edit_message(key, "m0", make_edit("said at last", at=instant(5)))  # 5
    await store.delete_message(key, "m1", instant(6))  # 6
    await store.change_header(key, make_put(at=instant(7), is_pinned=True))  # 7


async def lived_image() -> SessionImage:
    """Of that session, from the reference store."""
    source = MemoryStore()
    await live(source)
    return await source.read_image(KEY)


def with_message(image: SessionImage, seq: int, **changes: Any) -> SessionImage:
    messages = list(image.messages)
    messages[seq] = replace(messages[seq], **changes)
    return replace(image, messages=tuple(messages))


def with_header(image: SessionImage, **changes: Any) -> SessionImage:
    return replace(image, header=image.header.model_copy(update=changes))


def with_json(image: SessionImage, seq: int, old: bytes, new: bytes) -> SessionImage:
    return with_message(
        image, seq, stored_json=image.messages[seq].stored_json.replace(old, new, 1)
    )
