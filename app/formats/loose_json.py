"""Loose JSON: as programs write it, with numbers that are none and bytes that are no text."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from app.domain.free_json import canonical_json

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decoded_strictly(raw: bytes) -> Any:
    """What JSON in UTF-8 says.

    Raises:
        ValueError: it is no JSON, or is nested too deeply.
    """
    return from_json(raw.removeprefix(_BYTE_ORDER_MARK), allow_inf_nan=False)


def decoded_loosely(raw: bytes) -> Any:
    """What JSON says if single values may be damaged; `checked_again` finds out which are.

    A number that is none becomes what MongoDB's Extended JSON writes for it.

    Raises:
        ValueError: it is no JSON even so.
    """
    text = raw.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_constant=extended_number)
    except RecursionError as error:
        raise ValueError("It is nested too deeply.") from error


def checked_again(value: Any) -> Any:
    """The value itself, if it is JSON in UTF-8 after all.

    Raises:
        ValueError: it holds text that is none, or is nested too deeply.
    """
    try:
        return from_json(canonical_json(value))
    except RecursionError as error:
        raise ValueError("It is nested too deeply.") from error


def sound_members(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that are JSON in UTF-8 after all."""
    sound: dict[str, Any] = {}
    for name, value in document.items():
        try:
            sound.update(checked_again({name: value}))
        except ValueError:
            continue
    return sound


def extended_number(constant: str) -> dict[str, str]:
    """`NaN` and the infinities."""
    return {"$numberDouble": constant}
