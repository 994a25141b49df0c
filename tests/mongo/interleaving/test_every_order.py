"""Every order in which the steps of a few calls can happen: each answer is true, nothing is left.

What is looked at after each step and after each call is in `world.py`; these are only the calls.
"""

from collections.abc import Callable

import pytest

from app.domain.identity import SessionKey, Version
from app.store.port import MessageWindow
from tests.factories import ADA, BOB, KEY
from tests.fake_clock import instant
from tests.mongo.facade import Document
from tests.mongo.interleaving.calls import Call
from tests.mongo.interleaving.decoding import chain_of
from tests.mongo.interleaving.orders import (
    GENERATION,
    a_full_head,
    a_long_session,
    a_merged_session,
    a_session_with_a_tombstone,
    as_it_was,
    in_every_order,
    message,
    nothing,
    session,
    version_in,
)
from tests.mongo.interleaving.reading import (
    ListMessages,
    ListPastTexts,
    ListRecent,
    Read,
    ReadImage,
    Search,
)
from tests.mongo.interleaving.wandering import said
from tests.mongo.interleaving.world import Contents, prepared
from tests.mongo.interleaving.writing import (
    Append,
    Delete,
    DeleteMessage,
    Edit,
    Erase,
    Insert,
    PutEntry,
    Rename,
    TakeBack,
    Tidy,
)

AT = instant(50)
ANOTHER = "0000000000000002"

CONTENTS = {"of one document": a_full_head, "with segments": a_long_session}


@pytest.fixture(params=list(CONTENTS))
def contents(request: pytest.FixtureRequest) -> Contents:
    """A session that the next longer append passes over the budget."""
    return CONTENTS[request.param]()


def an_append(name: str = "append", message_id: str = "a1", number: int = 21) -> Append:
    """Long enough that a seal follows."""
    return Append(name, [message(message_id, number, 900)], at=AT)


def a_short_append(name: str = "append", message_id: str = "a1", number: int = 21) -> Append:
    return Append(name, [message(message_id, number)], at=AT)


def chain_in(contents: Contents) -> list[Document]:
    """The segments of the only session, oldest first."""
    (head,) = contents["sessions"]
    return chain_of(head, {segment["_id"]: segment for segment in contents["segments"]})


# --- writes -------------------------------------------------------------------------------------


def test_the_next_seal_of_a_long_session_is_a_merge() -> None:
    merged = prepared([an_append()], contents=a_long_session(), process="second")

    assert [len(segment["messages"]) for segment in chain_in(merged)] == [3, 4]


def test_what_only_corrects_is_merged_too() -> None:
    large = Append("large", [message("p1", 11, 3300)], at=AT)
    edited_once = prepared(
        [large, Edit("edit", "m0", said(41), at=AT)], a_full_head(), process="second"
    )

    edited_twice = prepared([Edit("other", "m1", said(42), at=AT)], edited_once, process="third")

    shapes = [
        [(len(one["messages"]), len(one["corrections"])) for one in chain_in(contents)]
        for contents in (edited_once, edited_twice)
    ]
    assert shapes == [[(3, 0), (1, 0), (0, 1)], [(3, 0), (1, 0), (0, 2)]]


def test_appends_never_take_anothers_place(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [an_append()], "two": [an_append("other", "b1", 22)]},
        switches=3,
    )


def test_an_append_goes_on_beside_a_seal_of_its_own_process(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [an_append(), a_short_append("beside it", "b1", 22)]},
        switches=3,
        kills=1,
    )


def some_seals() -> list[Call]:
    """Of one process, under one note, the later ones of a head that their appends have brought."""
    return [an_append(f"append {number}", f"a{number}", 30 + number) for number in range(3)]


def test_seals_under_one_note_may_end_at_any_step() -> None:
    in_every_order(
        a_merged_session(),
        lambda: {"one": some_seals(), "two": [Tidy("tidy")]},
        kills=1,
        failures=1,
    )


def test_two_processes_seal_one_session_again_and_again() -> None:
    in_every_order(
        a_merged_session(),
        lambda: {"one": some_seals(), "two": [an_append("other", "b1", 22)]},
        switches=3,
        kills=1,
    )


def test_seals_under_one_note_meet_a_session_made_anew() -> None:
    in_every_order(
        a_merged_session(),
        lambda: {
            "one": some_seals(),
            "two": [
                Delete("deletion", at=AT),
                Insert("creation", session(9, generation=ANOTHER)),
            ],
        },
        switches=4,
    )


def test_an_edit_between_seals_under_one_note_is_kept() -> None:
    in_every_order(
        a_merged_session(),
        lambda: {"one": some_seals(), "two": [Edit("edit", "m1", said(24), at=AT)]},
        switches=3,
    )


def test_of_the_same_append_from_two_processes_one_is_stored(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [an_append("append")], "two": [an_append("again")]},
        switches=3,
    )


def test_a_retry_during_a_seal_finds_what_it_repeats(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {
            "one": [an_append()],
            "two": [Append("again", [message("m1", 1, 1950), message("b1", 23)], at=AT)],
        },
        switches=3,
    )


def test_an_edit_during_a_seal_is_kept(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [an_append()], "two": [Edit("edit", "m1", said(24), at=AT)]},
        switches=3,
    )


def test_an_edit_that_makes_room_for_itself_keeps_what_was_said(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [a_short_append()], "two": [Edit("edit", "m1", said(25, 24_000), at=AT)]},
    )


def test_edits_of_one_message_come_one_after_the_other(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {
            "one": [Edit("edit", "m1", said(26), at=AT)],
            "two": [Edit("other", "m1", said(27), at=AT), Rename("rename", "name", at=AT)],
        },
        switches=3,
    )


def test_a_deleted_text_is_forgotten_though_it_is_just_being_sealed(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {"one": [an_append()], "two": [DeleteMessage("deletion", "m1", at=AT)]},
        switches=3,
    )


def test_a_deleted_text_is_forgotten_though_its_segment_is_just_being_merged() -> None:
    in_every_order(
        a_long_session(),
        lambda: {"one": [an_append()], "two": [DeleteMessage("deletion", "m0", at=AT)]},
        switches=2,
    )


def test_two_texts_of_one_segment_are_both_forgotten() -> None:
    in_every_order(
        a_long_session(),
        lambda: {
            "one": [DeleteMessage("deletion", "m0", at=AT)],
            "two": [DeleteMessage("other", "m1", at=AT)],
        },
        switches=3,
    )


def test_of_a_session_deleted_while_it_is_sealed_nothing_is_left(contents: Contents) -> None:
    in_every_order(
        contents, lambda: {"one": [an_append()], "two": [Delete("deletion", at=AT)]}, switches=3
    )


@pytest.mark.parametrize("count", [3, 9])
def test_a_session_made_anew_is_another_one(contents: Contents, count: int) -> None:
    in_every_order(
        contents,
        lambda: {
            "one": [Insert("creation", session(count, generation=ANOTHER))],
            "two": [Delete("deletion", at=AT)],
        },
    )


@pytest.mark.parametrize("count", [3, 9])
def test_of_two_creations_one_is_stored(count: int) -> None:
    in_every_order(
        nothing(),
        lambda: {
            "one": [Insert("creation", session(count))],
            "two": [Insert("again", session(count, generation=ANOTHER))],
            "three": [Insert("fold", session(count, generation="0" * 15 + "3"), is_fold=True)],
        },
    )


@pytest.mark.parametrize("count", [3, 9])
def test_what_a_user_deleted_is_not_folded_again(contents: Contents, count: int) -> None:
    in_every_order(
        contents,
        lambda: {
            "one": [Insert("fold", session(count, generation=ANOTHER), is_fold=True)],
            "two": [Delete("deletion", at=AT)],
        },
    )


@pytest.mark.parametrize("count", [3, 9])
def test_nothing_is_folded_for_an_erased_user(count: int) -> None:
    in_every_order(
        nothing(),
        lambda: {
            "one": [Insert("fold", session(count, generation=ANOTHER), is_fold=True)],
            "two": [Erase("erasure", at=AT)],
        },
        kills=1,
    )


def test_an_erasure_leaves_a_new_session_whole_or_takes_it_whole(contents: Contents) -> None:
    in_every_order(
        contents,
        lambda: {
            "one": [Insert("creation", session(9, generation=ANOTHER))],
            "two": [Erase("erasure", at=AT)],
        },
    )


def test_an_erasure_during_a_seal_leaves_nothing(contents: Contents) -> None:
    in_every_order(
        contents, lambda: {"one": [an_append()], "two": [Erase("erasure", at=AT)]}, switches=2
    )


# --- what folds did, taken back -----------------------------------------------------------------


RIVALS: dict[str, Callable[[], Call]] = {
    "an append": lambda: a_short_append(message_id="b1", number=22),
    "a seal": lambda: an_append(message_id="b1", number=22),
    "an edit": lambda: Edit("edit", "m1", said(26), at=AT),
    "a deletion of a text": lambda: DeleteMessage("deletion", "m1", at=AT),
    "a deletion": lambda: Delete("deletion", at=AT),
    "an erasure": lambda: Erase("erasure", at=AT),
    "a fold": lambda: Insert("fold", session(9, generation=ANOTHER), is_fold=True),
    "a fold of one document": lambda: Insert("fold", session(1, generation=ANOTHER), is_fold=True),
}


@pytest.mark.parametrize("with_earlier", [False, True])
@pytest.mark.parametrize("rival", list(RIVALS))
def test_what_is_taken_back_is_of_the_version_that_was_meant(
    contents: Contents, rival: str, *, with_earlier: bool
) -> None:
    earlier = as_it_was(contents) if with_earlier else None
    version = version_in(contents)

    in_every_order(
        contents,
        lambda: {"one": [TakeBack("take back", version, earlier)], "two": [RIVALS[rival]()]},
        kills=1,
        switches=3,
    )


def test_of_two_that_take_back_one_does(contents: Contents) -> None:
    version = version_in(contents)
    in_every_order(
        contents,
        lambda: {"one": [TakeBack("one", version)], "two": [TakeBack("other", version)]},
    )


@pytest.mark.parametrize("with_earlier", [False, True])
def test_an_answer_that_is_lost_is_found_out(contents: Contents, *, with_earlier: bool) -> None:
    earlier = as_it_was(contents) if with_earlier else None
    version = version_in(contents)
    in_every_order(
        contents,
        lambda: {
            "one": [TakeBack("take back", version, earlier)],
            "two": [Delete("deletion", at=AT)],
        },
        failures=2,
        late=1,
    )


# --- ledgers ------------------------------------------------------------------------------------


def test_of_two_puts_of_one_revision_one_is_stored() -> None:
    in_every_order(
        nothing(),
        lambda: {"one": [PutEntry("put", 1, ADA)], "two": [PutEntry("other", 1, BOB)]},
        failures=2,
    )


@pytest.mark.parametrize("revision", [1, 2])
def test_no_part_outlives_its_user(revision: int) -> None:
    in_every_order(
        prepared([PutEntry("before", 1, ADA, BOB)]) if revision == 2 else nothing(),
        lambda: {
            "one": [PutEntry("put", revision, ADA, BOB)],
            "two": [Erase("erasure", at=AT)],
            "three": [Erase("other erasure", BOB, at=AT)],
        },
        keys=(KEY, SessionKey(BOB, "session")),
        kills=1,
        switches=4,
    )


# --- reads --------------------------------------------------------------------------------------

READS: dict[str, Callable[[], Call]] = {
    "whole": lambda: Read("read"),
    "what is new": lambda: Read("read", after_seq=1),
    "what has changed": lambda: Read("read", since=Version(GENERATION, 4)),
    "what has changed last": lambda: Read("read", since=Version(GENERATION, 6)),
    "a page": lambda: ListMessages("read", MessageWindow(limit=3, offset=0)),
    "an image": lambda: ReadImage("read"),
    "past texts": lambda: ListPastTexts("read", "m0"),
    "newest messages": lambda: ListRecent("read"),
    "hits": lambda: Search("read", "word"),
}
WRITES: dict[str, Callable[[], Call]] = {
    "a seal": an_append,
    "an edit": lambda: Edit("edit", "m0", said(28), at=AT),
    "a deletion": lambda: DeleteMessage("deletion", "m0", at=AT),
    "the end": lambda: Delete("end", at=AT),
}


@pytest.mark.parametrize("write", list(WRITES))
@pytest.mark.parametrize("read", list(READS))
def test_a_read_shows_one_version(contents: Contents, read: str, write: str) -> None:
    in_every_order(
        contents,
        lambda: {"reader": [READS[read]()], "writer": [WRITES[write]()]},
        documents_at_once=1,
        switches=3,
    )


@pytest.mark.parametrize("read", list(READS))
def test_a_read_shows_one_version_though_its_segments_go(read: str) -> None:
    def calls() -> dict[str, list[Call]]:
        return {"reader": [READS[read]()], "writer": [an_append()], "sweeper": [Tidy("tidy")]}

    in_every_order(a_session_with_a_tombstone(), calls, minutes=1, switches=2)
