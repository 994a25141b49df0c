"""Times: the instants that sources write in so many ways."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.folding import EPOCH, Reason
from app.errors import ConfigurationError
from app.formats.faults import FaultError

_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND

# Epoch numbers tell their unit by their size: seconds up to the year 5138, finer ones from 1973.
_SECONDS_BELOW = 10**11
_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**17


def instant_microseconds(value: Any, zone: ZoneInfo | None) -> tuple[int, bool]:
    """Microseconds since 1970, and whether the zone had to be guessed.

    A time without a zone is one of the given zone; of UTC where none is given, which is a guess.

    Raises:
        FaultError: there is none, or it is no instant of the years 1 to 9999.
    """
    if value is None or value == "":
        raise FaultError(Reason.MISSING_CREATED_AT, "The record has no date.")
    try:
        if isinstance(value, str):
            instant, is_naive = _parsed(value)
            if is_naive and zone is not None:
                instant, is_naive = _in_zone(instant, zone), False
        else:
            instant, is_naive = _epoch_microseconds(value), False
    except (ValueError, OverflowError):
        instant, is_naive = _LATEST + 1, False
    if not _EARLIEST <= instant <= _LATEST:
        raise FaultError(
            Reason.INVALID_CREATED_AT, "The date is neither ISO 8601 nor a time since 1970."
        )
    return instant, is_naive


def _parsed(text: str) -> tuple[int, bool]:
    # `fromisoformat` takes weeks and dates without dashes too; nobody meant those.
    if text[4:8:3] != "--" or text[10:11] not in {"T", "t", " ", ""}:
        raise ValueError
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        return (parsed.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND, True
    return (parsed - EPOCH) // _MICROSECOND, False


def _in_zone(instant_as_utc: int, zone: ZoneInfo) -> int:
    naive = EPOCH.replace(tzinfo=None) + timedelta(microseconds=instant_as_utc)
    return (naive.replace(tzinfo=zone) - EPOCH) // _MICROSECOND


def _epoch_microseconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004 - a value of the source, no argument of ours
    size = abs(value)
    if size < _SECONDS_BELOW:
        return round(value * 1_000_000)
    if size < _MILLISECONDS_BELOW:
        return round(value * 1000)
    if size < _MICROSECONDS_BELOW:
        return round(value)
    raise ValueError


def zone_named(name: str | None) -> ZoneInfo | None:
    """The time zone of this name (https://www.iana.org/time-zones).

    Raises:
        ConfigurationError: there is none.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ConfigurationError(f"There is no time zone {name!r}.") from error
