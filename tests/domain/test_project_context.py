"""Which entries of a project's context hold, whatever superseded what."""

from itertools import permutations

import pytest
from pydantic import ValidationError

from app.domain.project_context import ContextEntry, ContextKind, current_entries
from tests.factories import ADA
from tests.fake_clock import instant


def make_entry(id: str, seconds: float, supersedes: str | None = None) -> ContextEntry:  # noqa: A002 - the word of the domain
    return ContextEntry(
        id=id,
        user_id=ADA,
        project_id="p",
        kind=ContextKind.DECISION,
        text=f"the text of {id}",
        supersedes=supersedes,
        created_at=instant(seconds),
    )


def holding(*entries: ContextEntry) -> list[str]:
    """The ids of those that hold, which is the same in whatever order they come."""
    answers = {tuple(one.id for one in current_entries(some)) for some in permutations(entries)}
    assert len(answers) == 1
    return list(answers.pop())


def test_entries_hold_in_the_order_of_their_time() -> None:
    assert holding(make_entry("b", 1), make_entry("a", 2), make_entry("c", 3)) == ["b", "a", "c"]


def test_of_a_chain_only_its_end_holds() -> None:
    chain = (make_entry("a", 1), make_entry("b", 2, "a"), make_entry("c", 3, "b"))

    assert holding(*chain) == ["c"]
    assert holding(*chain[:2]) == ["b"]


def test_two_that_supersede_the_same_both_hold() -> None:
    assert holding(make_entry("a", 1), make_entry("b", 2, "a"), make_entry("c", 3, "a")) == [
        "b",
        "c",
    ]


def test_a_circle_leaves_the_latest() -> None:
    assert holding(make_entry("a", 1, "b"), make_entry("b", 2, "a")) == ["b"]
    assert holding(make_entry("a", 1, "a")) == ["a"]


def test_what_supersedes_something_unknown_holds() -> None:
    assert holding(make_entry("a", 1, "gone")) == ["a"]


def test_an_entry_comes_back_from_its_document() -> None:
    entry = make_entry("a", 1)

    document = entry.document()

    assert ContextEntry.from_document(document) == entry
    assert (document.group, document.order) == ("p", "2026-01-02T03:04:06.678Z")


def test_an_entry_without_a_text_is_none() -> None:
    with pytest.raises(ValidationError):
        ContextEntry.model_validate({**dict(make_entry("a", 1)), "text": ""})
