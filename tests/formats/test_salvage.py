"""Salvage takes what is whole, says where the rest is, and never takes long."""

import pytest

from app.formats.salvage import salvaged_members, salvaged_objects


def contents(raw: bytes) -> tuple[list[str], list[str]]:
    objects, losses = salvaged_objects(raw, lambda one: "c" in one)
    return [one["c"] for one in objects], losses


def test_places_are_told_in_bytes() -> None:
    raw = '\ufeff[{"c": "é"}, damaged é, {"c": "x"}]'.encode()

    assert contents(raw) == (["é", "x"], ["Bytes 17 to 26 could not be read."])


def test_what_is_whole_is_found_however_long_it_is() -> None:
    long = "x" * 5_000_000
    raw = b'[{"c": "%b"}, {"c": "y"' % long.encode()

    assert contents(raw) == ([long], ["Bytes 5,000,012 to 5,000,020 could not be read."])


# With a step for each bracket as long as the file, these would take hours.
@pytest.mark.parametrize(
    "raw",
    [
        b"{" * 2_000_000,
        b'{"a":' * 400_000,
        b'[{"a":[' * 300_000,
        b'{"k":' + b'{"y":{},' * 200_000,
        b":" * 2_000_000,
        (b":" + b"[" * 10) * 200_000,
        b'{"\\"' * 300_000,
    ],
    ids=["braces", "objects", "arrays", "members", "colons", "brackets", "quotes"],
)
def test_hostile_files_hold_nothing(raw: bytes) -> None:
    objects, losses = salvaged_objects(raw, lambda one: "c" in one)

    assert objects == []
    assert len(losses) == 1
    assert salvaged_members(raw).losses != []
