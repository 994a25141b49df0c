"""Free JSON comes back as it went in, whatever an engine could make of it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from app.domain.session import Origin
from app.store.port import SessionStore
from tests.conformance.state import header_of, messages_of
from tests.conftest import OpenStore
from tests.factories import KEY, make_edit, make_message, make_new_session, make_put
from tests.fake_clock import START
from tests.strategies import free_json

AWKWARD: list[dict[str, Any]] = [
    {"wide": 10**30, "negative": -(10**30), "edge": [2**63 - 1, 2**63, -(2**63) - 1, 2**64]},
    {"4096 bits": 2**4096 - 1},
    {"$set": {"a.b": 1}, "$": 1, ".": 2, "a.b.c": {"$ref": "x"}, "": "empty name"},
    {"_id": 1, "__proto__": {}, "constructor": None},
    {"float": [0.1, -0.0, 1e-300, 1.7976931348623157e308, 1.0, 1e16, 123456789012345680.0]},
    {"text": 'NUL \0 tab \t quote " back\\slash / \u2028 \u2029 \x7f \ufeff \U0001f600 é e\u0301'},
    {"dates are text": "2026-01-01T00:00:00Z", "numbers are text": "12", "b": [True, False, None]},
    {"order": {"z": 1, "a": 2, "m": 3}, "empty": [{}, [], ""]},
    {"名": {"名": "名"}, "\U0001f600": 1},
]


def nested(levels: int) -> dict[str, Any]:
    value: Any = "the bottom"
    for level in range(levels - 1):
        value = [value] if level % 2 else {"inner": value}
    return {"outer": value}


def exactly(value: Any) -> str:
    """JSON text tells 1, 1.0 and true apart, and keeps the order of names."""
    return json.dumps(value)


@pytest.mark.parametrize("value", [*AWKWARD, nested(64)])
async def test_every_free_place_gives_back_what_it_got(
    store: SessionStore, value: dict[str, Any]
) -> None:
    await store.insert(
        make_new_session(
            context=value,
            metadata=value,
            origin=Origin(format="x", source_id="y", extras=value),
            messages=[make_message("m0", metadata=value)],
        )
    )
    await store.append(KEY, [make_message("m1", metadata=value), make_message("m2")], at=START)
    await store.edit_message(KEY, "m2", make_edit(metadata=value))
    await store.edit_message(KEY, "m1", make_edit(metadata={}))

    header = await header_of(store, KEY)
    messages = await messages_of(store, KEY)
    past_texts = await store.list_past_texts(KEY, "m1")
    assert header.origin is not None
    assert {
        exactly(found)
        for found in (
            header.context,
            header.metadata,
            header.origin.extras,
            messages[0].metadata,
            messages[2].metadata,
            past_texts[0].metadata,
        )
    } == {exactly(value)}
    document = json.loads((await store.read(KEY)).to_json())
    assert exactly(document["context"]) == exactly(value)
    assert exactly(document["messages"][0]["metadata"]) == exactly(value)


@pytest.mark.parametrize("value", AWKWARD)
async def test_a_changed_header_keeps_free_json(store: SessionStore, value: dict[str, Any]) -> None:
    await store.insert(make_new_session(metadata=value))

    await store.change_header(KEY, make_put(context=value))
    await store.append(KEY, [make_message("m0")], at=START)

    header = await header_of(store, KEY)
    assert exactly(header.context) == exactly(header.metadata) == exactly(value)


async def test_unknown_members_of_an_origin_are_kept(store: SessionStore) -> None:
    origin = Origin.model_validate(
        {"format": "x", "source_id": "y", "later": {"$a.b": 10**30}, "run_id": None}
    )

    await store.insert(make_new_session(origin=origin))
    await store.change_header(KEY, make_put(session_name="renamed"))

    found = (await header_of(store, KEY)).origin
    assert found == origin
    assert found.model_extra == {"later": {"$a.b": 10**30}}


@settings(
    max_examples=40,
    # The factory is shared by the examples, the store that it opens is not.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=free_json())
async def test_any_free_json_gives_back_what_it_got(
    open_store: OpenStore, value: dict[str, Any]
) -> None:
    store = await open_store()
    await store.insert(make_new_session(context=value))
    await store.append(KEY, [make_message(metadata=value)], at=START)

    assert exactly((await header_of(store, KEY)).context) == exactly(value)
    assert exactly((await messages_of(store, KEY))[0].metadata) == exactly(value)
