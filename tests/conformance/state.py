"""What a session looks like from outside, as values that tests compare."""

import json
from dataclasses import dataclass
from typing import Any

from app.domain.encoded import decoded_summary
from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.domain.search import parse_query
from app.domain.session import SessionHeader
from app.store.port import HEADER_ONLY, ListFilter, ListOrder, SessionStore
from tests.factories import ADA, BOB, make_edit, make_message, make_new_session
from tests.fake_clock import instant

NEIGHBOURS = (SessionKey(ADA, "neighbour"), SessionKey(BOB, "session"))
"""Another session of the user, and the same id under another user."""


async def header_of(store: SessionStore, key: SessionKey) -> SessionHeader:
    return (await store.read(key, HEADER_ONLY)).header()


async def messages_of(store: SessionStore, key: SessionKey) -> tuple[ChatMessage, ...]:
    return (await store.read(key)).messages()


async def contents_of(store: SessionStore, key: SessionKey) -> list[str]:
    return [message.content for message in await messages_of(store, key)]


async def state_of(store: SessionStore, key: SessionKey) -> tuple[bytes, dict[str, list[Any]]]:
    """The whole document as it is served, and what each living message said before."""
    document = (await store.read(key)).to_json()
    return document, {
        message["id"]: await store.list_past_texts(key, message["id"])
        for message in json.loads(document)["messages"]
        if message["deleted_at"] is None
    }


async def ids_listed(
    store: SessionStore,
    user_id: str = ADA,
    *,
    order: ListOrder = ListOrder.ACTIVITY,
    **wanted: Any,
) -> list[str]:
    """The ids on the first page of a list."""
    page = await store.list_summaries(user_id, order=order, filter=ListFilter(**wanted), limit=200)
    return [decoded_summary(item).id for item in page.items]


async def places_found(
    store: SessionStore, query: str, user_id: str = ADA
) -> list[tuple[str, int | None]]:
    """Session and place of each hit on the first page of a search; a name has no place."""
    page = await store.search(user_id, parse_query(query), limit=200)
    return [(hit.session_id, hit.seq) for hit in page.items]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two sessions that a test must leave alone, and how they were."""

    store: SessionStore
    before: tuple[Any, ...]

    @classmethod
    async def move_in(cls, store: SessionStore) -> "Neighbours":
        for key in NEIGHBOURS:
            await store.insert(
                make_new_session(
                    key,
                    messages=[make_message("m0", "a neighbourly word"), make_message("m1")],
                    session_name="Neighbours",
                    tags=["near"],
                )
            )
            await store.edit_message(key, "m1", make_edit("another word", at=instant(1)))
        return cls(store, await _seen(store))

    async def are_untouched(self) -> bool:
        return await _seen(self.store) == self.before


async def _seen(store: SessionStore) -> tuple[Any, ...]:
    return (
        [await state_of(store, key) for key in NEIGHBOURS],
        [key for key in await store.list_keys() if key in NEIGHBOURS],
        await store.find_deleted(NEIGHBOURS),
        await places_found(store, "neighbourly", ADA),
        await places_found(store, "neighbourly", BOB),
        await ids_listed(store, ADA, tag="near"),
        await ids_listed(store, BOB),
        await store.stats(BOB),
    )
