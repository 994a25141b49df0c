"""What free JSON may hold, and how JSON is written and compared."""

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from app.domain.free_json import (
    JSON_DEPTH_LIMIT,
    FreeJSON,
    canonical_json,
    checked_json,
    checked_text,
    encode_json,
)
from tests.strategies import free_json, texts


class Holder(BaseModel):
    value: FreeJSON


def nested(levels: int, *, in_lists: bool) -> dict[str, Any]:
    value: Any = [] if in_lists else {}
    for _ in range(levels - 2):
        value = [value] if in_lists else {"inner": value}
    return {"outer": value}


@pytest.mark.parametrize("in_lists", [False, True])
def test_64_levels_pass_and_65_are_refused(in_lists: bool) -> None:
    assert JSON_DEPTH_LIMIT == 64
    assert checked_json(nested(64, in_lists=in_lists)) == nested(64, in_lists=in_lists)

    with pytest.raises(ValueError, match="64 levels"):
        checked_json(nested(65, in_lists=in_lists))


def test_a_thousand_levels_are_refused_without_exhausting_the_stack() -> None:
    with pytest.raises(ValueError, match="64 levels"):
        checked_json(nested(900, in_lists=False))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"": ""},
        {"$set": {"a.b": None}},
        {"wide": 10**30, "widest": 2**4096 - 1},
        {"text": "NUL \0 and \x7f"},
        {"float": -0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308},
        {"list": [True, False, None, [], {}]},
    ],
)
def test_json_passes_as_it_is(value: dict[str, Any]) -> None:
    assert checked_json(value) is value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"x": float("nan")}, "finite"),
        ({"x": float("inf")}, "finite"),
        ({"x": [{"y": float("-inf")}]}, "finite"),
        ({"x": 2**4096}, "4096 bits"),
        ({"x": -(2**4096)}, "4096 bits"),
        ({"x": "\ud800"}, "surrogates"),
        ({"\udfff": 1}, "surrogates"),
        ({"a\0b": 1}, "NUL"),
        ({"x": {"\0": 1}}, "NUL"),
        ({"x": {1: 2}}, "names"),
        ({"x": b"bytes"}, "JSON"),
        ({"x": {1, 2}}, "JSON"),
        ({"x": object()}, "JSON"),
    ],
)
def test_what_a_store_could_not_keep_is_refused(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_json(value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"value":{"x":1e400}}',
        b'{"value":{"x":NaN}}',
        b'{"value":{"x":Infinity}}',
        b'{"value":{"x":"\\ud800"}}',
        b'{"value":{"x":"\xff"}}',
        b'{"value":{"a\\u0000b":1}}',
        b'{"value":[]}',
        b'{"value":null}',
        b'{"value":"{}"}',
        b'{"value":' + b'{"x":' * 64 + b"{}" + b"}" * 64 + b"}",
        b'{"value":' + b'{"x":' * 500 + b"{}" + b"}" * 500 + b"}",
        b'{"value":{"x":' + b"9" * 1300 + b"}}",
        b'{"value":{"x":' + b"9" * 5000 + b"}}",
    ],
)
def test_a_body_with_such_a_value_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate_json(body)


@given(value=free_json())
def test_json_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    encoded = encode_json(value)

    assert json.dumps(from_json(encoded)) == json.dumps(value)
    assert json.dumps(Holder.model_validate_json(b'{"value":%s}' % encoded).value) == json.dumps(
        value
    )


@given(value=free_json())
def test_equal_values_have_one_canonical_form(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))

    assert canonical_json(turned) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
        ({"é": "\0"}, '{"é":"\\u0000"}'),
        ({"x": 1.0, "y": 1, "z": True}, '{"x":1.0,"y":1,"z":true}'),
    ],
)
def test_the_canonical_form_is_this(value: dict[str, Any], text: str) -> None:
    assert canonical_json(value) == text.encode()


@given(text=texts())
def test_text_without_lone_surrogates_passes(text: str) -> None:
    assert checked_text(text) == text


@pytest.mark.parametrize("text", ["\ud800", "a\udc00b", "é\ud83d"])
def test_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        checked_text(text)


@given(free_json())
def test_json_is_written_as_pydantic_writes_it(value: dict[str, Any]) -> None:
    """So digests are the same whichever of the two has written what they are of."""
    assert encode_json(value) == to_json(value)


def test_integers_beyond_64_bits_are_written_beside_others() -> None:
    value = {"wide": 2**64, "narrow": [2**64 - 1, -(2**63)], "low": -(2**63) - 1}

    assert encode_json(value) == to_json(value)
