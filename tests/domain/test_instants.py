"""Instants: aware, in UTC, in whole milliseconds, and 24 characters long as text."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.domain.instants import Instant, instant_text, milliseconds_text, whole_milliseconds


class Holder(BaseModel):
    at: Instant


@pytest.mark.parametrize(
    ("given_text", "text"),
    [
        ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00.000Z"),
        ("2026-11-20T09:30:00.1Z", "2026-11-20T09:30:00.100Z"),
        ("2026-11-20T09:30:00.999999Z", "2026-11-20T09:30:00.999Z"),
        ("2026-11-20T09:30:00+00:00", "2026-11-20T09:30:00.000Z"),
        ("2026-11-20T18:30:00+09:00", "2026-11-20T09:30:00.000Z"),
        ("2026-11-19T23:30:00-10:00", "2026-11-20T09:30:00.000Z"),
        ("2026-11-20T15:15:00.0005+05:45", "2026-11-20T09:30:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("0001-01-01T10:00:00+10:00", "0001-01-01T00:00:00.000Z"),
        ("0999-06-01T00:00:00Z", "0999-06-01T00:00:00.000Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T13:59:59-10:00", "9999-12-31T23:59:59.000Z"),
    ],
)
def test_an_instant_is_written_in_utc_and_milliseconds(given_text: str, text: str) -> None:
    holder = Holder.model_validate({"at": given_text})

    assert holder.model_dump(mode="json") == {"at": text}
    assert instant_text(holder.at) == text
    assert Holder.model_validate({"at": text}) == holder
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


@pytest.mark.parametrize(
    "given_value",
    [
        "2026-11-20T09:30:00",
        datetime(2026, 11, 20, 9, 30),  # noqa: DTZ001 - a naive one is what is refused
        "2026-11-20",
        "09:30:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-20T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "yesterday",
        "",
        None,
        "0001-01-01T00:00:00+00:01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59-12:00",
        10**20,
        -(10**20),
        float("inf"),
    ],
)
def test_what_is_no_aware_instant_of_the_years_1_to_9999_is_refused(given_value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate({"at": given_value})

    assert [error["loc"] for error in caught.value.errors()] == [("at",)]


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    offset=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_any_offset_gives_the_same_instant_cut_to_milliseconds(
    at: datetime, offset: timezone
) -> None:
    try:
        elsewhere = at.astimezone(offset)
    except OverflowError:
        return

    cut = whole_milliseconds(elsewhere)

    assert cut == whole_milliseconds(at)
    assert timedelta(0) <= at - cut < timedelta(milliseconds=1)
    assert cut.microsecond % 1000 == 0
    assert cut.utcoffset() == timedelta(0)


@given(
    one=st.datetimes(timezones=st.just(UTC)).map(whole_milliseconds),
    other=st.datetimes(timezones=st.just(UTC)).map(whole_milliseconds),
)
def test_the_order_of_texts_is_the_order_of_instants(one: datetime, other: datetime) -> None:
    assert len(instant_text(one)) == 24
    assert (instant_text(one) < instant_text(other)) is (one < other)
    assert datetime.fromisoformat(instant_text(one)) == one


@given(st.datetimes(timezones=st.just(UTC)).map(whole_milliseconds))
def test_a_number_of_milliseconds_is_written_as_its_instant(at: datetime) -> None:
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    assert milliseconds_text(milliseconds) == instant_text(at)
    assert instant_text(at.replace(tzinfo=None)) == instant_text(at)  # as some drivers give it
