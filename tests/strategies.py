"""Hypothesis strategies for what reaches a store: ids, free JSON, messages, changes, queries."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app.domain.message import MessageType, NewMessage
from app.domain.session import HeaderChange, SessionStatus
from app.store.port import ListFilter
from tests.fake_clock import START, instant

ANY_CHARACTER = st.characters(exclude_categories=["Cs"])
CJK_CHARACTERS = "中文字典汉語東京日本人あいうえアイウ가나다한글\U00020000㐀豈"
_TAGS = ("red", "green", "緑", "a.b", "\0", "\U0001f600", '"')
_PROJECTS = ("p1", "p/2", "项目")
AWKWARD_IDS = (
    "/",
    "a/b",
    ".",
    "..",
    "~",
    "~YQ",
    " ",
    "a b",
    "%2F",
    "?q#f",
    "\u202eabc",
    "e\u0301",
    "\u00e9",
    "会话",
    "\U0001f600",
    "\x01\x1f\x7f",
    "'; DROP TABLE session;--",
    "_",
    "$a.b",
    "A",
    "a",
    "1" * 1024,
    "\U0001f600" * 256,
)


def ids() -> SearchStrategy[str]:
    """Any id: 1 to 1,024 bytes of UTF-8 without NUL; short ones mostly."""
    free = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    )
    return st.one_of(st.sampled_from(AWKWARD_IDS), free)


def texts(max_size: int = 40) -> SearchStrategy[str]:
    """Any text that UTF-8 can carry, NUL and control characters included."""
    return st.text(ANY_CHARACTER, max_size=max_size)


def free_json() -> SearchStrategy[dict[str, Any]]:
    """Any JSON object: wide integers, `$` names, dots, nesting."""
    names = st.one_of(
        st.sampled_from(["$set", "a.b", "", "_id", "$", ".", "is_active", "名"]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    )
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.sampled_from([10**30, -(10**300), 2**63, 2**64, -(2**63) - 1]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(ANY_CHARACTER, max_size=10),
    )
    values = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)
        ),
        max_leaves=8,
    )
    return st.dictionaries(names, values, max_size=3)


def words() -> SearchStrategy[str]:
    """Words of every kind that search treats in its own way, and some that are none."""
    return st.one_of(
        st.sampled_from(
            [
                "fold",
                "Folding",
                "FOLD",
                "résumé",
                "resume",
                "Straße",
                "strasse",
                "naïve",
                "x1",
                "42",
            ]
        ),
        st.sampled_from(
            [
                "İstanbul",
                "\uff46\uff55\uff4c\uff4c",
                "ﬁne",
                "a_b",
                "don't",
                "e-mail",
                "--",
                "…",
                "ab中",
                "中ab",
            ]
        ),
        st.text(CJK_CHARACTERS, min_size=1, max_size=5),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6),
    )


def search_texts() -> SearchStrategy[str]:
    """Texts of such words, with spaces and without."""
    return st.builds(
        lambda parts, joint: joint.join(parts),
        st.lists(words(), max_size=5),
        st.sampled_from([" ", " ", "", ", ", "。"]),
    )


def messages(message_ids: SearchStrategy[str] | None = None) -> SearchStrategy[NewMessage]:
    """New messages without parents, dated within two days around the start."""
    return st.builds(
        NewMessage,
        id=ids() if message_ids is None else message_ids,
        content=st.one_of(texts(), search_texts()),
        message_type=st.sampled_from(MessageType),
        user_id=st.none() | ids(),
        metadata=free_json(),
        created_at=instants(),
    )


def instants() -> SearchStrategy[Any]:
    """Instants around the start, many of them equal, some with more digits than are kept."""
    return st.one_of(
        st.just(START),
        st.integers(-3, 3).map(instant),
        st.floats(-86_400, 86_400, allow_nan=False).map(instant),
    )


def session_fields() -> SearchStrategy[dict[str, Any]]:
    """What the owner of a session writes."""
    return st.fixed_dictionaries({}, optional=_fields())


def header_members() -> SearchStrategy[dict[str, Any]]:
    """Members of a header change that a PUT or a PATCH may name; some contradict each other."""
    return st.fixed_dictionaries({}, optional={**_fields(), "is_active": st.booleans()})


def _fields() -> dict[str, SearchStrategy[Any]]:
    return {
        "session_name": st.none() | search_texts() | st.just("100%_\0fold"),
        "status": st.sampled_from([status.value for status in SessionStatus]),
        "tags": st.lists(st.sampled_from(_TAGS), max_size=3),
        "is_pinned": st.booleans(),
        "project_id": st.none() | st.sampled_from(_PROJECTS),
        "workspace_id": st.none() | st.sampled_from(["w1", "w2"]),
        "context": free_json(),
        "metadata": free_json(),
    }


def header_changes() -> SearchStrategy[HeaderChange]:
    """Both kinds of header change."""
    return st.builds(HeaderChange, members=header_members(), is_merge=st.booleans(), at=instants())


def list_filters() -> SearchStrategy[ListFilter]:
    """Filters with few values, so that they often find something."""
    return st.builds(
        ListFilter,
        status=st.none() | st.sampled_from(SessionStatus),
        is_active=st.none() | st.booleans(),
        project_id=st.none() | st.sampled_from([*_PROJECTS, "absent"]),
        workspace_id=st.none() | st.sampled_from(["w1", "w2", "absent"]),
        tag=st.none() | st.sampled_from([*_TAGS, "absent"]),
        is_pinned=st.none() | st.booleans(),
        name_contains=st.none()
        | st.sampled_from(["fold", "E", "中", "ß", "%", "_", "\0", "absent"]),
    )
