"""Instants: aware UTC in whole milliseconds, and their one text form in stores and on the wire."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, PlainSerializer

INSTANT_BYTES = len("2026-11-20T09:30:00.000Z")
"""Of every instant's text."""


def whole_milliseconds(instant: datetime) -> datetime:
    """The instant in UTC, cut (not rounded) to milliseconds: the narrowest store keeps no more.

    Raises:
        ValueError: the offset takes the instant out of the years 1 to 9999.
    """
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 in UTC") from None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


@lru_cache(maxsize=1024)  # a message's date is written several times in a row
def instant_text(instant: datetime) -> str:
    """`2026-11-20T09:30:00.000Z`: always as long, so that text order is time order."""
    # The instant is in UTC by then. Asked for milliseconds, isoformat takes three times as long.
    text = instant.isoformat()
    return f"{text[:23]}Z" if instant.microsecond else f"{text[:19]}.000Z"


Instant = Annotated[
    AwareDatetime,
    AfterValidator(whole_milliseconds),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
]
"""An aware datetime; naive ones are refused, finer digits are cut."""
