"""Any text that UTF-8 can carry is an id, a name or a content, and stays what it was."""

import pytest
from hypothesis import HealthCheck, given, settings

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.conformance.state import header_of, ids_listed, messages_of
from tests.conftest import OpenStore
from tests.factories import make_edit, make_message, make_new_session
from tests.fake_clock import START
from tests.strategies import AWKWARD_IDS, ids, texts

AWKWARD_TEXTS = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\n\t\x0b\x7f",
    "\u202ertl שלום",
    "e\u0301 is not \u00e9",
    "\ufeffbom",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "null",
    "'; DROP TABLE session; --",
    '{"seq":0}',
    "%s %d {} {0}",
    "\u2028\u2029",
    "\ufffe\uffff",
]


@pytest.mark.parametrize("awkward", AWKWARD_IDS)
async def test_any_id_reaches_its_session_and_its_message(
    store: SessionStore, awkward: str
) -> None:
    for user_id, session_id in ((awkward, awkward), ("ada", awkward), (awkward, "session")):
        key = SessionKey(user_id, session_id)
        await store.insert(make_new_session(key, project_id=awkward))
        await store.append(key, [make_message(awkward, user_id=awkward)], at=START)
        await store.append(key, [make_message("reply", parent_id=awkward)], at=START)
        await store.edit_message(key, awkward, make_edit("edited"))

        messages = await messages_of(store, key)
        assert (await header_of(store, key)).key == key
        assert [m.id for m in messages] == [awkward, "reply"]
        assert (messages[0].user_id, messages[1].parent_id) == (awkward, awkward)
        assert len(await store.list_past_texts(key, awkward)) == 1
        assert session_id in await ids_listed(store, user_id, project_id=awkward)
        assert user_id in await store.find_owners(session_id, limit=9)
        await store.delete_message(key, awkward, START)
        await store.delete(key, START)
        assert await store.find_deleted([key]) == {key}
    assert await store.list_keys() == []


async def test_all_awkward_ids_live_side_by_side(store: SessionStore) -> None:
    keys = [SessionKey(user_id, id_) for user_id in AWKWARD_IDS for id_ in AWKWARD_IDS]
    await store.insert_absent([make_new_session(key, context={"key": key}) for key in keys])

    assert await store.list_keys() == sorted(keys)
    for key in keys[:: len(AWKWARD_IDS) + 1]:
        assert (await header_of(store, key)).context == {"key": list(key)}
        assert sorted(await ids_listed(store, key.user_id)) == sorted(AWKWARD_IDS)


@pytest.mark.parametrize("text", AWKWARD_TEXTS)
async def test_any_text_stays_what_it_was(store: SessionStore, text: str) -> None:
    key = SessionKey("ada", "session")
    tags = [text] if text else []
    await store.insert(
        make_new_session(key, session_name=text, tags=tags, messages=[make_message("m0", text)])
    )
    await store.append(key, [make_message("m1", text)], at=START)
    await store.append(key, [make_message("m2")], at=START)
    await store.edit_message(key, "m2", make_edit(text))

    header = await header_of(store, key)
    assert (header.session_name, header.tags) == (text, tuple(tags))
    assert [m.content for m in await messages_of(store, key)] == [text, text, text]
    assert [one.message.content for one in await store.list_recent_messages("ada", limit=3)] == [
        text,
        text,
        text,
    ]
    assert await ids_listed(store, name_contains=text) == ["session"]
    if text:
        assert await ids_listed(store, tag=text) == ["session"]
    assert await ids_listed(store, name_contains=text + "x") == []
    assert await ids_listed(store, tag=text + "x") == []


@settings(
    max_examples=40,
    # The factory is shared by the examples, the store that it opens is not.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(user_id=ids(), session_id=ids(), message_id=ids(), text=texts(200))
async def test_any_key_finds_its_session(
    open_store: OpenStore, user_id: str, session_id: str, message_id: str, text: str
) -> None:
    store = await open_store()
    key = SessionKey(user_id, session_id)
    await store.insert(make_new_session(key, session_name=text))
    await store.append(key, [make_message(message_id, text)], at=START)

    assert await store.list_keys() == [key]
    assert (await header_of(store, key)).session_name == text
    assert [(m.id, m.content) for m in await messages_of(store, key)] == [(message_id, text)]
    assert await store.list_past_texts(key, message_id) == []
