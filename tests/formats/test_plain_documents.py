"""Most documents are read a quick way, which must never say anything else than the thorough one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.folding import KEPT_NAME
from app.domain.source_options import SourceOptions
from app.formats import message_documents
from app.formats.message_documents import FIELDS, MessageDocuments
from app.formats.port import FaultyRecord, Notation, RawRecord, Record

WHOLE: dict[str, Any] = {
    "id": "m1",
    "session_id": "s1",
    "user_id": "ada",
    "content": "Hello!",
    "message_type": "user",
    "metadata": {"model": "small", "tokens": 7, "is_new": True, "parent": None},
    "created_at": "2024-01-01T12:00:00Z",
}
# Who names a field, even by its own name, has every document looked at thoroughly.
_THOROUGH = MessageDocuments(SourceOptions(fields={"id": "id"}))

ODD: dict[str, list[Any]] = {
    "id": ["", "é", "\u0000", "x" * 2000, 7, None],
    "session_id": ["", "日本", "\u0000", 7, None],
    "user_id": ["", "ü", 7, None],
    "content": ["", "\u0000", None, 7, ["a", {"text": "b"}], "x" * 5000, "🙂"],
    "message_type": ["tool", "User", "", None, 7, ["user"]],
    "metadata": [
        {},
        None,
        [],
        "text",
        {"": ""},
        {"\u0000": 1},
        {"$set": 1, "a.b": 2},
        {"number": 1.0},
        {"number": 2**63 - 1},
        {"number": -(2**63)},
        {"number": 2**64 - 1},
        {"number": 2**64},
        {"number": 10**400},
        {"deep": {"deeper": [1]}},
        {KEPT_NAME: 1},
    ],
    "created_at": [
        "",
        "2024-01-01",
        "2024-01-01 12:00:00",
        "2024-01-01T12:00:00.123456+05:30",
        "2024-02-30T12:00:00Z",
        "2024-W01-1",
        "20240101T120000Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999Z",
        "tomorrow",
        1_704_110_400,
        1_704_110_400.5,
        {"$date": "2024-01-01T12:00:00Z"},
        None,
    ],
}
RAW = [
    b"",
    b"[]",
    b"{}",
    b'"text"',
    b"7",
    b'{"metadata": {"number": -0}}',
    json.dumps(WHOLE).encode() + b" \r",
    b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(),
    json.dumps(WHOLE).replace("Hello", r"\ud800").encode(),
    json.dumps(WHOLE).replace("Hello", r"\ud83d\ude42").encode(),
    json.dumps(WHOLE).replace("Hello", r"\u0000").encode(),
    json.dumps(WHOLE).replace('"tokens": 7', '"tokens": -0').encode(),
    json.dumps(WHOLE).replace('"tokens": 7', '"tokens": 1e400').encode(),
    json.dumps(WHOLE).replace('"tokens": 7', '"tokens": 1E2').encode(),
    json.dumps(WHOLE).replace('"tokens": 7', '"tokens": NaN').encode(),
    json.dumps(WHOLE).replace('"tokens"', '"model"').encode(),
    json.dumps(WHOLE).replace('"content"', '"user_id": "bob", "content"').encode(),
    json.dumps({**WHOLE, "_id": "m1"}).encode(),
    json.dumps({**WHOLE, "more": 1}).encode(),
    *(json.dumps({n: v for n, v in WHOLE.items() if n != name}).encode() for name in FIELDS),
]


def _both(raw: bytes) -> tuple[Record | FaultyRecord, Record | FaultyRecord]:
    records = [RawRecord(7, raw)]
    (quick,) = MessageDocuments().records(records, Notation.JSON)
    (thorough,) = _THOROUGH.records(records, Notation.JSON)
    return quick, thorough


def test_an_ordinary_document_is_read_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(WHOLE).encode()
    _, thorough = _both(raw)
    monkeypatch.delattr(message_documents, "from_json")  # which the thorough way begins with

    assert list(MessageDocuments().records([RawRecord(7, raw)], Notation.JSON)) == [thorough]


@pytest.mark.parametrize("raw", RAW, ids=map(str, range(len(RAW))))
def test_odd_bytes_are_read_alike(raw: bytes) -> None:
    quick, thorough = _both(raw)

    assert quick == thorough


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, values in ODD.items()
        for number, value in enumerate(values)
    ],
)
def test_odd_values_are_read_alike(name: str, value: Any) -> None:
    quick, thorough = _both(json.dumps({**WHOLE, name: value}).encode())

    assert quick == thorough


_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_metadata = st.dictionaries(st.text(max_size=3), _values | st.lists(_values, max_size=2))


@given(
    st.fixed_dictionaries(
        {name: _values | st.just(WHOLE[name]) for name in FIELDS if name != "metadata"},
        optional={"metadata": _metadata, "more": _values},
    )
)
def test_any_document_is_read_alike(document: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        raw = json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        quick, thorough = _both(raw)

        assert quick == thorough
