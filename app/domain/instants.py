"""Instants: aware UTC in whole milliseconds, and their one text form in stores and on the wire."""

from datetime import UTC, date, datetime
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
    # The instant is in UTC by then.
    minute = 60 * instant.hour + instant.minute
    return _text(instant.toordinal(), minute, instant.second, instant.microsecond // 1000)


def milliseconds_text(milliseconds_since_1970: int) -> str:
    """The same of an instant that is told by a number."""
    seconds, millisecond = divmod(milliseconds_since_1970, 1000)
    minutes, second = divmod(seconds, 60)
    days, minute = divmod(minutes, _MINUTES_OF_A_DAY)
    return _text(days + _FIRST_OF_1970, minute, second, millisecond)


# By tables, which takes half of the time of `isoformat`; a read of many messages shows it.
_MINUTES_OF_A_DAY = 24 * 60
_FIRST_OF_1970 = date(1970, 1, 1).toordinal()
_MINUTES = tuple(f"T{n // 60:02}:{n % 60:02}:" for n in range(_MINUTES_OF_A_DAY))
_SECONDS = tuple(f"{n:02}" for n in range(60))
_MILLISECONDS = tuple(f".{n:03}Z" for n in range(1000))


def _text(day: int, minute: int, second: int, millisecond: int) -> str:
    return _day_text(day) + _MINUTES[minute] + _SECONDS[second] + _MILLISECONDS[millisecond]


@lru_cache(maxsize=1024)
def _day_text(day: int) -> str:
    return date.fromordinal(day).isoformat()


Instant = Annotated[
    AwareDatetime,
    AfterValidator(whole_milliseconds),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
]
"""An aware datetime; naive ones are refused, finer digits are cut."""
