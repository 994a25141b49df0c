"""Instants are kept in whole milliseconds of UTC, cut and not rounded."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.store.port import ListOrder, SessionStore
from tests.conformance.state import header_of, ids_listed, messages_of
from tests.factories import ADA, KEY, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import START

FINE = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
CUT = datetime(2026, 1, 2, 3, 4, 5, 999_000, tzinfo=UTC)
FINE_IN_TOKYO = datetime(2026, 1, 2, 12, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize("given", [FINE, FINE_IN_TOKYO])
async def test_a_session_keeps_milliseconds_of_utc(store: SessionStore, given: datetime) -> None:
    await store.insert(
        make_new_session(
            created_at=given, updated_at=given, messages=[make_message(created_at=given)]
        )
    )

    encoded = await store.read(KEY)
    assert encoded.header_json.count(b'"2026-01-02T03:04:05.999Z"') == 3
    assert b'"created_at":"2026-01-02T03:04:05.999Z"' in (encoded.messages_json or b"")
    assert (await header_of(store, KEY)).created_at == CUT
    stats = await store.stats(ADA)
    assert (stats.first_activity_at, stats.last_activity_at) == (CUT, CUT)


@pytest.mark.parametrize("given", [FINE, FINE_IN_TOKYO])
async def test_every_write_keeps_milliseconds_of_utc(store: SessionStore, given: datetime) -> None:
    await store.insert(make_new_session(created_at=START.replace(year=2000)))

    await store.append(KEY, [make_message("m0", created_at=given)], at=given)
    assert (await header_of(store, KEY)).updated_at == CUT
    await store.edit_message(KEY, "m0", make_edit("x", at=given + timedelta(minutes=1)))
    assert (await header_of(store, KEY)).updated_at == CUT + timedelta(minutes=1)
    await store.change_header(KEY, make_put(at=given + timedelta(minutes=2), is_pinned=True))
    assert (await header_of(store, KEY)).updated_at == CUT + timedelta(minutes=2)
    past_texts = await store.list_past_texts(KEY, "m0")
    await store.delete_message(KEY, "m0", given + timedelta(minutes=3))
    assert (await header_of(store, KEY)).updated_at == CUT + timedelta(minutes=3)

    (message,) = await messages_of(store, KEY)
    assert message.created_at == CUT
    assert message.deleted_at == CUT + timedelta(minutes=3)
    assert [past.replaced_at for past in past_texts] == [CUT + timedelta(minutes=1)]


async def test_sessions_of_one_millisecond_tie(store: SessionStore) -> None:
    for name, microsecond in (("b", 1), ("a", 999), ("c", 500)):
        at = START.replace(microsecond=678_000 + microsecond)
        await store.insert(make_new_session(KEY._replace(session_id=name), created_at=at))

    assert await ids_listed(store, order=ListOrder.CREATED) == ["a", "b", "c"]
    assert await ids_listed(store) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "0999-12-31T23:59:59.999Z"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-31T23:59:59.999Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
    ],
)
async def test_dates_at_the_edges_are_kept(store: SessionStore, at: datetime, text: str) -> None:
    await store.insert(make_new_session(created_at=at, messages=[make_message(created_at=at)]))

    encoded = await store.read(KEY)
    assert encoded.header_json.decode().count(f'"{text}"') == 3
    assert f'"created_at":"{text}"' in (encoded.messages_json or b"").decode()
    assert (await store.list_recent_messages(ADA, limit=1))[0].message.created_at == at.replace(
        microsecond=at.microsecond // 1000 * 1000
    )
