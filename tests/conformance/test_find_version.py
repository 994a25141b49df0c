"""The version of a session: absent is None, and every visible change raises it by one."""

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.conformance.state import Neighbours, header_of
from tests.factories import BOB, KEY, make_edit, make_messages, make_new_session, make_put
from tests.fake_clock import START


async def test_an_absent_session_has_no_version(
    store: SessionStore, neighbours: Neighbours
) -> None:
    assert await store.find_version(KEY) is None
    assert await store.find_version(SessionKey("nobody", "session")) is None
    assert await neighbours.are_untouched()


async def test_a_new_session_is_at_revision_one(store: SessionStore) -> None:
    await store.insert(make_new_session(generation="00000000000000aa"))

    assert await store.find_version(KEY) == ("00000000000000aa", 1)
    assert await store.find_version(SessionKey(BOB, KEY.session_id)) is None


async def test_every_visible_change_raises_the_revision_by_one(store: SessionStore) -> None:
    await store.insert(make_new_session(generation="00000000000000aa"))
    revisions = []

    async def note() -> None:
        version = await store.find_version(KEY)
        assert version == (await store.read(KEY)).version
        revisions.append(version and version.revision)

    await note()
    await store.append(KEY, make_messages(3), at=START)
    await note()
    await store.edit_message(KEY, "m1", make_edit("edited"))
    await note()
    await store.delete_message(KEY, "m2", START)
    await note()
    await store.change_header(KEY, make_put(session_name="named"))
    await note()

    assert revisions == [1, 2, 3, 4, 5]
    assert (await header_of(store, KEY)).changes == 3


async def test_what_changes_nothing_raises_no_revision(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(2), session_name="named"))
    await store.delete_message(KEY, "m1", START)

    await store.append(KEY, make_messages(2), at=START)
    await store.edit_message(KEY, "m0", make_edit("the text of m0"))
    await store.delete_message(KEY, "m1", START)
    await store.change_header(KEY, make_put(session_name="named", is_active=True))

    version = await store.find_version(KEY)
    assert version is not None
    assert version.revision == 2
    assert (await header_of(store, KEY)).changes == 1


async def test_a_deleted_session_has_no_version(store: SessionStore) -> None:
    await store.insert(make_new_session())
    assert await store.find_version(KEY) is not None

    await store.delete(KEY, START)

    assert await store.find_version(KEY) is None
