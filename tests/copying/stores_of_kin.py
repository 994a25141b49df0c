"""Sources and targets: filled with every kind of session, and of kin, as a copy makes them."""

import json
from typing import Any

from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.store.copy_report import Compared, Finding
from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.factories import ADA, BOB, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import instant
from tests.lived import live

EMPTY = SessionKey(ADA, "empty")
LONG = SessionKey(BOB, "long/会话")
OTHER = SessionKey(BOB, "session")
DELETED = SessionKey(ADA, "deleted")
OF_ERASED = SessionKey("eve", "erased")
KEYS = [EMPTY, KEY, LONG, OTHER]
"""What lives in a filled store, in order."""
MESSAGES = 0 + 4 + 300 + 1


def kin_of(store: SessionStore) -> MemoryStore:
    """A store that reads the same deletion marks."""
    return MemoryStore(new_secret=store.marking_secret)


async def fill(store: SessionStore) -> None:
    """Put sessions in, some of which are deleted again, one after another."""
    await store.insert(make_new_session(EMPTY, session_name="Nothing said"))
    await live(store)
    await store.insert(make_new_session(LONG, messages=make_messages(200)))
    await store.append(LONG, make_messages(100, first=200), at=instant(1))
    await store.insert(make_new_session(OTHER, messages=[make_message("m0", "of another user")]))
    await store.insert(make_new_session(DELETED, messages=[make_message()]))
    await store.delete(DELETED, instant(20))
    await store.insert(make_new_session(OF_ERASED, messages=[make_message()]))
    await store.erase_user("eve", instant(30))


async def whole(store: SessionStore) -> dict[SessionKey, Any]:
    """Everything that can be read in a store, by key."""
    found: dict[SessionKey, Any] = {}
    for key in await store.list_keys():
        encoded = await store.read(key)
        document = json.loads(encoded.to_json())
        past_texts = [
            await store.list_past_texts(key, message["id"])
            for message in document["messages"]
            if message["deleted_at"] is None
        ]
        found[key] = (encoded.version, encoded.messages_json, header_of(encoded), past_texts)
    return found


def header_of(encoded: EncodedSession) -> Any:
    return encoded.header().model_dump()


def found_in(compared: Compared) -> list[tuple[Finding, str, str]]:
    return [(one.finding, one.user_id, one.session_id) for one in compared.differences.examples]
