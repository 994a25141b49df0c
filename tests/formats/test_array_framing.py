"""Elements come out of an array one by one, and damage in one costs no other where that can be."""

import json

import pytest

from app.formats.array_framing import ArrayFraming
from app.formats.port import RawRecord

WHOLE = b'{"id": "m2", "a": {"b": [1, {"c": "}, {\\"x\\""}]}}'
CUT_SHORT = "The source ends before its array does."


def framed(
    source: bytes, *, chunk_bytes: int = 1_000_000, limit_bytes: int = 1_000_000
) -> list[RawRecord]:
    chunks = (source[at : at + chunk_bytes] for at in range(0, len(source), chunk_bytes))
    return list(ArrayFraming(limit_bytes).records(chunks))


def raw_of(source: bytes) -> list[bytes | None]:
    """The elements, which do not depend on how the bytes came."""
    records = framed(source)
    for chunk_bytes in (1, 2, 3, 7, 64):
        assert framed(source, chunk_bytes=chunk_bytes) == records
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    return [record.raw for record in records]


@pytest.mark.parametrize("source", [b"[]", b" [ ] \n", b"[\r\n]"])
def test_an_empty_array_has_no_elements(source: bytes) -> None:
    assert raw_of(source) == []


@pytest.mark.parametrize(
    "source",
    [
        b"[%b,%b]" % (WHOLE, WHOLE),
        b"\n[\n  %b ,\r\n  %b\n]\n" % (WHOLE, WHOLE),
        b"[%b %b]" % (WHOLE, WHOLE),
        b"[%b,,%b,]" % (WHOLE, WHOLE),
        b"[%b][%b]" % (WHOLE, WHOLE),
    ],
    ids=["plain", "indented", "without a comma", "with blank commas", "two arrays"],
)
def test_elements_come_as_they_are(source: bytes) -> None:
    assert raw_of(source) == [WHOLE, WHOLE]


def test_elements_of_any_depth_are_told_apart() -> None:
    deep = b'{"a":' * 500 + b"{}" + b"}" * 500

    assert raw_of(b"[%b,%b,%b]" % (WHOLE, deep, WHOLE)) == [WHOLE, deep, WHOLE]


def test_what_is_no_object_is_an_element_too() -> None:
    assert raw_of(b'[NaN, 1, "x", null, [1, [2]], %b]' % WHOLE) == [
        b"NaN",
        b"1",
        b'"x"',
        b"null",
        b"[1, [2]]",
        WHOLE,
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"a": NaN}',
        b"{a: 1}",
        b'{"a": "\xff"}',
        b'{"a": 1]}',
        b'{"a": [1}',
        b'{"a": {"b": 1}',
        b'{"a":"x}',
        b'{"a":"x\n}',
        b'{"a": "he said "hi" to"}',
        b'{"a" "b"}',
    ],
)
def test_a_damaged_element_costs_no_other(damaged: bytes) -> None:
    assert raw_of(b"[%b,%b, %b]" % (WHOLE, damaged, WHOLE)) == [WHOLE, damaged, WHOLE]


def test_an_element_that_breaks_off_costs_no_other() -> None:
    source = b'[%b,\n{"a": "x\n%b\n]' % (WHOLE, WHOLE)

    assert raw_of(source) == [WHOLE, b'{"a": "x', WHOLE]


def test_a_bracket_too_many_is_an_element_of_its_own() -> None:
    assert raw_of(b"[%b}, %b]" % (WHOLE, WHOLE)) == [WHOLE, b"}", WHOLE]


@pytest.mark.parametrize("end", [b"", b",", b"\n"])
def test_an_array_that_does_not_end_is_told_after_its_elements(end: bytes) -> None:
    records = framed(b"[%b,%b%b" % (WHOLE, WHOLE, end))

    assert records == [
        RawRecord(1, WHOLE),
        RawRecord(2, WHOLE),
        RawRecord(3, None, CUT_SHORT),
    ]


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_a_source_that_ends_within_an_element_keeps_those_before(length: int) -> None:
    first, *others = framed(b"[%b,%b" % (WHOLE, WHOLE[:length]))

    assert first == RawRecord(1, WHOLE)
    assert others[-1].damage == CUT_SHORT
    assert WHOLE not in [other.raw for other in others]


def test_what_follows_the_array_is_told() -> None:
    assert raw_of(b"[%b] and more" % WHOLE) == [WHOLE, b"and more"]


@pytest.mark.parametrize(
    "inside", [b'"' + b"x" * 30_000 + b'"', b"[" + b"1, " * 10_000 + b"1]"], ids=["text", "list"]
)
def test_an_element_over_the_limit_is_named_and_its_neighbours_survive(inside: bytes) -> None:
    source = b'[%b, {"a": %b}, %b]' % (WHOLE, inside, WHOLE)

    for chunk_bytes in (100, 5000, 100_000):
        records = framed(source, chunk_bytes=chunk_bytes, limit_bytes=10_000)

        assert records == [RawRecord(1, WHOLE), RawRecord(2, None), RawRecord(3, WHOLE)]


def test_many_elements_are_those_of_a_decoder() -> None:
    elements = [{"n": n, "text": '\\"},{"' * (n % 5), "deep": [[[[[[n]]]]]]} for n in range(3000)]

    for indent in (None, 2):
        source = json.dumps(elements, indent=indent).encode()
        records = framed(source, chunk_bytes=1000)

        assert [json.loads(record.raw or b"") for record in records] == elements
