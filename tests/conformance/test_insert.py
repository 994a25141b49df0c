"""A new session is stored whole, once, and answered again to the creation that made it."""

import json

import pytest

from app.domain.message import MessageType
from app.domain.session import Origin
from app.errors import MessageIdConflictError, SessionExistsError, SessionNotFoundError
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of, messages_of, state_of
from tests.factories import ADA, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import instant


async def test_a_new_session_is_stored_with_every_field(
    store: SessionStore, neighbours: Neighbours
) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.read(KEY)

    header = await store.insert(
        make_new_session(
            generation="00000000000000aa",
            created_at=instant(-60),
            updated_at=instant(-30),
            session_name="Shopping",
            status="completed",
            tags=["red", "green"],
            is_pinned=True,
            project_id="p1",
            workspace_id="w1",
            context={"a.b": {"$set": 10**30}},
            metadata={"m": [1, 1.5, None]},
            origin=Origin(format="jsonl", source_id="s/1", run_id="r1", extras={"x": 1}),
            messages=[
                make_message(
                    "m0",
                    "Hello",
                    message_type=MessageType.ASSISTANT,
                    user_id="eve",
                    metadata={"k": "v"},
                    created_at=instant(-50),
                    parent_id=None,
                ),
                make_message("m1", "Bye", parent_id="m0", created_at=instant(-55)),
            ],
        )
    )

    stored = await store.read(KEY)
    assert json.loads(stored.to_json()) == {
        "id": "session",
        "user_id": "ada",
        "session_name": "Shopping",
        "status": "completed",
        "is_active": False,
        "tags": ["red", "green"],
        "is_pinned": True,
        "project_id": "p1",
        "workspace_id": "w1",
        "created_at": "2026-01-02T03:03:05.678Z",
        "generation": "00000000000000aa",
        "message_count": 2,
        "next_seq": 2,
        "last_message_at": "2026-01-02T03:03:10.678Z",
        "updated_at": "2026-01-02T03:03:35.678Z",
        "revision": 1,
        "changes": 0,
        "context": {"a.b": {"$set": 10**30}},
        "metadata": {"m": [1, 1.5, None]},
        "origin": {"format": "jsonl", "source_id": "s/1", "run_id": "r1", "extras": {"x": 1}},
        "messages": [
            {
                "seq": 0,
                "id": "m0",
                "content": "Hello",
                "message_type": "assistant",
                "user_id": "eve",
                "metadata": {"k": "v"},
                "created_at": "2026-01-02T03:03:15.678Z",
                "parent_id": None,
                "edited_at": None,
                "deleted_at": None,
            },
            {
                "seq": 1,
                "id": "m1",
                "content": "Bye",
                "message_type": "user",
                "user_id": None,
                "metadata": {},
                "created_at": "2026-01-02T03:03:10.678Z",
                "parent_id": "m0",
                "edited_at": None,
                "deleted_at": None,
            },
        ],
    }
    assert stored.version == ("00000000000000aa", 1)
    assert header == stored.header()
    assert await neighbours.are_untouched()


async def test_an_empty_session_has_defaults(store: SessionStore) -> None:
    await store.insert(make_new_session(generation="00000000000000ab"))

    stored = await store.read(KEY)
    assert stored.messages_json == b""
    assert json.loads(stored.to_json()) == {
        "id": "session",
        "user_id": "ada",
        "session_name": None,
        "status": "active",
        "is_active": True,
        "tags": [],
        "is_pinned": False,
        "project_id": None,
        "workspace_id": None,
        "created_at": "2026-01-02T03:04:05.678Z",
        "generation": "00000000000000ab",
        "message_count": 0,
        "next_seq": 0,
        "last_message_at": None,
        "updated_at": "2026-01-02T03:04:05.678Z",
        "revision": 1,
        "changes": 0,
        "context": {},
        "metadata": {},
        "origin": None,
        "messages": [],
    }


async def test_a_session_may_begin_with_more_messages_than_a_batch(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(1001)))

    messages = await messages_of(store, KEY)
    assert [message.id for message in messages] == [f"m{seq}" for seq in range(1001)]
    assert [message.seq for message in messages] == list(range(1001))


async def test_messages_together_may_weigh_more_than_a_batch(store: SessionStore) -> None:
    five_mebibytes = "x" * (5 * 1024 * 1024)

    header = await store.insert(
        make_new_session(
            messages=[make_message("m0", five_mebibytes), make_message("m1", five_mebibytes)]
        )
    )

    assert header.message_count == 2
    assert [len(message.content) for message in await messages_of(store, KEY)] == [5242880, 5242880]


async def test_a_taken_key_is_refused_and_nothing_changes(
    store: SessionStore, neighbours: Neighbours
) -> None:
    await store.insert(make_new_session(messages=make_messages(2), session_name="First"))
    before = await state_of(store, KEY)

    with pytest.raises(SessionExistsError):
        await store.insert(make_new_session(messages=make_messages(1), session_name="Second"))

    assert await state_of(store, KEY) == before
    assert await neighbours.are_untouched()


@pytest.mark.parametrize(
    ("first", "second"),
    [(None, None), (b"a" * 16, None), (None, b"a" * 16), (b"a" * 16, b"b" * 16)],
)
async def test_another_creation_is_not_answered_as_the_first(
    store: SessionStore, first: bytes | None, second: bytes | None
) -> None:
    await store.insert(make_new_session(creation_digest=first))
    before = await state_of(store, KEY)

    with pytest.raises(SessionExistsError):
        await store.insert(make_new_session(creation_digest=second))

    assert await state_of(store, KEY) == before


async def test_the_same_creation_again_answers_with_the_stored_header(
    store: SessionStore, neighbours: Neighbours
) -> None:
    first = await store.insert(
        make_new_session(creation_digest=b"a" * 16, session_name="First", generation="0" * 15 + "1")
    )

    again = await store.insert(
        make_new_session(creation_digest=b"a" * 16, session_name="First", generation="0" * 15 + "2")
    )

    assert again == first
    assert again.generation == "0000000000000001"
    assert await neighbours.are_untouched()


async def test_the_same_creation_again_answers_with_the_header_of_now(store: SessionStore) -> None:
    await store.insert(make_new_session(creation_digest=b"a" * 16))
    await store.append(KEY, make_messages(2), at=instant(5))

    again = await store.insert(make_new_session(creation_digest=b"a" * 16))

    assert (again.revision, again.message_count) == (2, 2)
    assert again == await header_of(store, KEY)


async def test_two_messages_with_one_id_are_refused_even_where_they_are_equal(
    store: SessionStore, neighbours: Neighbours
) -> None:
    with pytest.raises(MessageIdConflictError) as caught:
        await store.insert(
            make_new_session(messages=[make_message("a"), make_message("b"), make_message("a")])
        )

    assert (caught.value.message_id, caught.value.index) == ("a", 2)
    assert await store.find_version(KEY) is None
    assert await store.find_deleted([KEY]) == set()
    assert await neighbours.are_untouched()


async def test_two_users_may_own_the_same_id(store: SessionStore, neighbours: Neighbours) -> None:
    await store.insert(make_new_session(session_name="Ada's own"))

    assert (await header_of(store, KEY)).session_name == "Ada's own"
    assert KEY.user_id == ADA
    assert await neighbours.are_untouched()


async def test_an_appended_message_continues_an_inserted_session(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(3)))

    await store.append(KEY, [make_message("m3"), make_message("m0")], at=instant(1))

    assert [message.id for message in await messages_of(store, KEY)] == ["m0", "m1", "m2", "m3"]
