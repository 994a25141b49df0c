"""One message is read by its id, wherever it is, with the version of its session."""

import pytest

from app.domain.identity import SessionKey
from app.domain.message import ChatMessage
from app.errors import MessageNotFoundError, SessionNotFoundError
from app.store.port import SessionStore
from tests.factories import KEY, make_edit, make_messages, make_new_session
from tests.fake_clock import instant


async def test_a_message_is_read_as_it_stands_in_the_whole(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(300)))
    for place in (0, 299):
        await store.edit_message(KEY, f"m{place}", make_edit("edited", at=instant(1)))
    whole = await store.read(KEY)

    for place in (0, 1, 150, 298, 299):
        stored, version = await store.read_message(KEY, f"m{place}")

        assert version == whole.version
        assert ChatMessage.from_json(stored) == whole.messages()[place]
        assert stored in (whole.messages_json or b"")


async def test_of_a_deleted_message_the_tombstone_is_read(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2)))
    version = await store.delete_message(KEY, "m0", instant(1))

    stored, read_in = await store.read_message(KEY, "m0")

    assert ChatMessage.from_json(stored).is_deleted
    assert read_in == version


@pytest.mark.parametrize("message_id", ["absent", "M0", ""])
async def test_an_absent_message_is_not_found(store: SessionStore, message_id: str) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    with pytest.raises(MessageNotFoundError):
        await store.read_message(KEY, message_id)


@pytest.mark.parametrize("key", [SessionKey("ada", "absent"), SessionKey("nobody", "session")])
async def test_an_absent_session_is_not_found(store: SessionStore, key: SessionKey) -> None:
    await store.insert(make_new_session(messages=make_messages(1)))

    with pytest.raises(SessionNotFoundError):
        await store.read_message(key, "m0")
