"""Free JSON: what `context` and `metadata` may hold, and how JSON is written and compared."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, cast

import orjson
from pydantic import AfterValidator
from pydantic_core import to_json

JSON_DEPTH_LIMIT = 64
"""How many levels of objects and arrays a free JSON value may have; BSON readers stop at 100."""

INTEGER_LIMIT_BITS = 4096
"""The largest integer in free JSON; Python refuses to print much larger ones."""


def checked_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value itself, if every store can keep it and give it back as it was.

    Raises:
        ValueError: it is nested too deeply, or holds a number that is not finite, a lone surrogate,
            a NUL in a name, or something that is not JSON at all.
    """
    if value:
        _check(value, JSON_DEPTH_LIMIT)
    return value


def _check(value: Any, levels_left: int) -> None:
    match value:
        case None | bool():
            pass
        case str():
            checked_text(value)
        case int():
            if value.bit_length() > INTEGER_LIMIT_BITS:
                raise ValueError(f"must not hold integers of more than {INTEGER_LIMIT_BITS} bits")
        case float():
            if not math.isfinite(value):
                raise ValueError("must hold finite numbers that a double can carry")
        case dict() | list() | tuple():
            _check_items(cast("dict[Any, Any] | list[Any]", value), levels_left)
        case _:
            raise ValueError("must be JSON")


def _check_items(value: dict[Any, Any] | list[Any], levels_left: int) -> None:
    if levels_left == 0:
        raise ValueError(f"must not be nested more than {JSON_DEPTH_LIMIT} levels deep")
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or "\0" in name:
                raise ValueError("must have names that are text without NUL")
            checked_text(name)
    for item in value.values() if isinstance(value, dict) else value:
        _check(item, levels_left - 1)


def checked_text(text: str) -> str:
    """The text itself, if UTF-8 can carry it.

    Raises:
        ValueError: it holds a lone surrogate.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("must not hold lone surrogates, which UTF-8 cannot carry") from None
    return text


FreeJSON = Annotated[dict[str, Any], AfterValidator(checked_json)]
"""A JSON object of any content, within the two limits above."""

Text = Annotated[str, AfterValidator(checked_text)]
"""Text of any length that UTF-8 can carry; NUL and control characters are text."""


def encode_json(value: Any) -> bytes:
    """Compact UTF-8 JSON; integers beyond 64 bits keep every digit."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return to_json(value)  # the same bytes, several times slower, for integers of any size


_FLAT = frozenset({str, int, bool, type(None)})


def canonical_json(value: Any) -> bytes:
    """JSON that is the same for equal values, whatever the order of their names."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if _FLAT.issuperset(map(type, members.values())):
            return encode_json(dict(sorted(members.items())))  # most are flat, and this is faster
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The target after a JSON Merge Patch (RFC 7396), where null removes."""
    after = dict(target)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, dict):
            inner = after.get(name)
            target_inner = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
            after[name] = merged(target_inner, cast("dict[str, Any]", value))
        else:
            after[name] = value
    return after
