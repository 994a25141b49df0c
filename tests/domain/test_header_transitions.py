"""What a header change makes of a header: PUT, JSON Merge Patch, `is_active`."""

from typing import Any

import pytest

from app.domain.message import NewMessage
from app.domain.session import HeaderChange, SessionHeader
from app.errors import InvalidInputError
from tests.factories import make_message, make_new_session, make_patch, make_put
from tests.fake_clock import START, instant


def make_header(messages: tuple[NewMessage, ...] = (), **fields: Any) -> SessionHeader:
    return make_new_session(messages=messages, **fields).header()


def nested(levels: int) -> dict[str, Any]:
    """Objects within objects, so many in all."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"inner": value}
    return value


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        # RFC 7396, Appendix A, as far as both sides are objects, which a context always is.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        # RFC 7396, section 3.
        (
            {
                "title": "Goodbye!",
                "author": {"givenName": "John", "familyName": "Doe"},
                "tags": ["example", "sample"],
                "content": "This will be unchanged",
            },
            {
                "title": "Hello!",
                "phoneNumber": "+01-123-456-7890",
                "author": {"familyName": None},
                "tags": ["example"],
            },
            {
                "title": "Hello!",
                "author": {"givenName": "John"},
                "tags": ["example"],
                "content": "This will be unchanged",
                "phoneNumber": "+01-123-456-7890",
            },
        ),
    ],
)
def test_a_patch_merges_as_the_rfc_says(
    original: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    header = make_header(context=original)

    changed = header.changed(make_patch(context=patch))

    assert changed.context == result
    assert header.context == original


def test_a_patched_header_shares_nothing_with_the_one_before() -> None:
    header = make_header(context={"a": {"b": [1]}})
    changed = header.changed(make_patch(context={"a": {"c": 1}}))

    changed.context["a"]["c"] = 2

    assert header.context == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [
        ("session_name", "x", None),
        ("status", "archived", "active"),
        ("tags", ["t"], ()),
        ("is_pinned", True, False),
        ("project_id", "p", None),
        ("workspace_id", "w", None),
        ("context", {"a": 1}, {}),
        ("metadata", {"a": 1}, {}),
    ],
)
def test_null_in_a_patch_brings_back_the_default(name: str, value: Any, default: Any) -> None:
    header = make_header(**{name: value})

    changed = header.changed(HeaderChange(members={name: None}, is_merge=True, at=START))

    assert getattr(changed, name) == default
    assert changed.revision == 2


@pytest.mark.parametrize(
    ("start", "members", "status"),
    [
        ("active", {"is_active": False}, "archived"),
        ("archived", {"is_active": False}, "archived"),
        ("completed", {"is_active": False}, "completed"),
        ("active", {"is_active": True}, "active"),
        ("completed", {"is_active": True}, "active"),
        ("archived", {"is_active": True}, "active"),
        ("active", {"is_active": False, "status": "completed"}, "completed"),
        ("completed", {"is_active": False, "status": "archived"}, "archived"),
        ("completed", {"is_active": True, "status": "active"}, "active"),
    ],
)
@pytest.mark.parametrize("is_merge", [False, True])
def test_is_active_and_status_agree(
    start: str, members: dict[str, Any], status: str, is_merge: bool
) -> None:
    header = make_header(status=start)

    changed = header.changed(HeaderChange(members=members, is_merge=is_merge, at=START))

    assert changed.status == status
    assert changed.is_active is (status == "active")


@pytest.mark.parametrize(
    "members",
    [
        {"is_active": True, "status": "archived"},
        {"is_active": True, "status": "completed"},
        {"is_active": False, "status": "active"},
    ],
)
@pytest.mark.parametrize("is_merge", [False, True])
def test_is_active_that_contradicts_the_status_is_refused(
    members: dict[str, Any], is_merge: bool
) -> None:
    header = make_header()

    with pytest.raises(InvalidInputError) as caught:
        header.changed(HeaderChange(members=members, is_merge=is_merge, at=START))

    assert [fault.pointer for fault in caught.value.faults] == ["/is_active"]


def test_a_removed_status_is_active_and_is_active_must_say_so_too() -> None:
    header = make_header(status="archived")

    assert header.changed(make_patch(status=None, is_active=True)).status == "active"
    with pytest.raises(InvalidInputError):
        header.changed(make_patch(status=None, is_active=False))


def test_a_change_raises_revision_and_changes_and_moves_the_date() -> None:
    changed = make_header().changed(make_put(at=instant(7), is_pinned=True))

    assert (changed.revision, changed.changes, changed.updated_at) == (2, 1, instant(7))


def test_a_change_by_a_late_clock_does_not_move_the_date_back() -> None:
    changed = make_header().changed(make_put(at=instant(-7), is_pinned=True))

    assert (changed.revision, changed.updated_at) == (2, START)


@pytest.mark.parametrize("change", [make_put(), make_patch(), make_put(tags=["a"], is_active=True)])
def test_a_change_without_effect_gives_the_header_itself(change: HeaderChange) -> None:
    header = make_header(tags=["a"])

    assert header.changed(change) is header


def test_counters_are_out_of_reach_of_a_change() -> None:
    header = make_header(messages=(make_message(),))

    changed = header.changed(make_put(session_name="x"))

    assert (changed.message_count, changed.next_seq, changed.last_message_at) == (1, 1, START)


@pytest.mark.parametrize("is_merge", [False, True])
def test_a_change_may_nest_as_deeply_as_a_new_session(is_merge: bool) -> None:
    change = HeaderChange(members={"context": nested(64)}, is_merge=is_merge, at=START)

    changed = make_header().changed(change)

    assert changed.context == make_header(context=nested(64)).context == nested(64)


@pytest.mark.parametrize("is_merge", [False, True])
@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"context": nested(65)}, "/context"),
        ({"metadata": {"x": float("nan")}}, "/metadata"),
        ({"metadata": {"x": "\ud800"}}, "/metadata"),
        ({"metadata": {"\0": 1}}, "/metadata"),
        ({"session_name": "\ud800"}, "/session_name"),
        ({"tags": ["ok", "x" * 201]}, "/tags/1"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_a_broken_rule_is_named_by_its_pointer(
    members: dict[str, Any], pointer: str, is_merge: bool
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make_header().changed(HeaderChange(members=members, is_merge=is_merge, at=START))

    assert [fault.pointer for fault in caught.value.faults] == [pointer]
