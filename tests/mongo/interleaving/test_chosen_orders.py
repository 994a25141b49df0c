"""Orders of steps that are rare among all orders, and that something was built for."""

from collections.abc import Iterator

import pytest

from app.domain.identity import SessionKey
from app.errors import StoreUnavailableError
from tests.factories import ADA, BOB, KEY
from tests.fake_clock import instant
from tests.mongo.interleaving.calls import Call
from tests.mongo.interleaving.decoding import Session, chain_of
from tests.mongo.interleaving.orders import (
    a_long_session,
    a_merged_session,
    as_it_was,
    message,
    version_in,
)
from tests.mongo.interleaving.reading import Search
from tests.mongo.interleaving.world import Contents, Move, Rules, World, prepared, run_in_order
from tests.mongo.interleaving.writing import Append, Erase, PutEntry, TakeBack, Tidy

AT = instant(50)
KEYS = (KEY, SessionKey(BOB, "session"))


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    opened: list[World] = []
    yield opened
    for world in opened:
        world.close()


def begun(worlds: list[World], contents: Contents, **calls: Call) -> World:
    """A world in which processes of these names have begun these calls."""
    world = World(contents, keys=KEYS)
    worlds.append(world)
    for process, call in calls.items():
        world.open(process)
        world.start(process, [call])
    return world


def go_on_until(world: World, process: str, words: str) -> None:
    """Let one process go on until it is about to do this."""
    while (move := move_of(world, process)) and words not in str(move):
        world.do(move)
    assert move, f"{process} never came to {words}"


def go_on_to_the_end(world: World, process: str) -> None:
    while move := move_of(world, process):
        world.do(move)


def move_of(world: World, process: str, kind: str = "go") -> Move | None:
    of_process = [
        move
        for move in world.moves()
        if move.kind == kind and move.step and move.step.process == process
    ]
    return of_process[0] if of_process else None


def on_chain(world: World) -> set[str]:
    """The ids of the segments that the only session stands on."""
    contents = world.contents()
    (head,) = contents["sessions"]
    return {one["_id"] for one in chain_of(head, {one["_id"]: one for one in contents["segments"]})}


def users_in_ledgers(world: World) -> set[str]:
    return {user for entry in world.states().entries.values() for user in entry.users}


def sealing(name: str, number: int) -> Append:
    """An append after which its process seals the session."""
    return Append(name, [message(f"a{number}", 30 + number, 900)], at=AT)


def test_a_note_that_was_made_in_advance_is_not_used_until_others_tidy_it(
    worlds: list[World],
) -> None:
    contents = a_merged_session()
    world = begun(worlds, contents, one=sealing("first", 1))
    world.open("two")
    go_on_to_the_end(world, "one")
    assert len(world.contents()["chores"]) == len(contents["chores"]) + 1
    world.clock.advance(59 * 60)
    world.start("one", [sealing("second", 2)])
    go_on_until(world, "one", "segments.insert_one")
    go_on_until(world, "one", "sessions.find_one_and_update")
    world.clock.advance(2 * 60)
    world.start("two", [Tidy("tidy")])
    go_on_to_the_end(world, "two")

    go_on_to_the_end(world, "one")

    world.finish()
    session = world.states().sessions[KEY]
    assert isinstance(session, Session)
    assert len(session.messages) == 9


@pytest.mark.parametrize("words", ["segments.insert_one", "sessions.find_one_and_update"])
@pytest.mark.parametrize("seals_before", [0, 1])
def test_what_a_process_has_noted_goes_when_it_is_killed(
    worlds: list[World], seals_before: int, words: str
) -> None:
    contents = a_merged_session()
    world = begun(worlds, contents)
    world.open("one")
    for number in range(seals_before):
        world.start("one", [sealing(f"before {number}", number)])
        go_on_to_the_end(world, "one")
    segment_count = len(world.contents()["segments"])
    chain_before = on_chain(world)
    world.start("one", [sealing("last", 9)])
    go_on_until(world, "one", "segments.insert_one")
    go_on_until(world, "one", words)
    is_stored = words != "segments.insert_one"
    assert len(world.contents()["segments"]) == segment_count + is_stored

    world.kill("one")

    assert len(world.contents()["chores"]) == len(contents["chores"]) + 1
    world.finish()
    assert world.contents()["chores"] == []
    left = {segment["_id"] for segment in world.contents()["segments"]}
    assert left == chain_before


def test_a_search_finds_what_was_there_before_and_after_something_is_taken_back(
    worlds: list[World],
) -> None:
    contents = a_long_session()
    take_back = TakeBack("take back", version_in(contents), as_it_was(contents))
    world = begun(worlds, contents, one=Search("search", "word"), two=take_back)
    go_on_until(world, "one", "segments.find")
    candidates = move_of(world, "one")
    assert candidates is not None
    world.do(candidates)
    go_on_to_the_end(world, "two")

    go_on_to_the_end(world, "one")

    assert take_back.record.answer is True
    assert len(world.calls["search"].record.answer) == 6  # and `judge` knows which ones


def test_a_part_that_is_stored_after_its_user_was_erased_goes_at_once(worlds: list[World]) -> None:
    world = begun(worlds, {}, one=PutEntry("put", 1, ADA, BOB), two=Erase("erasure", at=AT))
    go_on_until(world, "one", "ledgers.insert_one")
    go_on_to_the_end(world, "two")

    go_on_to_the_end(world, "one")

    assert world.calls["put"].record.answer is True
    assert users_in_ledgers(world) == {BOB}


def test_a_part_whose_writer_is_killed_goes_when_its_note_is_due(worlds: list[World]) -> None:
    world = begun(worlds, {}, one=PutEntry("put", 1, ADA, BOB), two=Erase("erasure", at=AT))
    go_on_until(world, "one", "ledgers.insert_one")
    go_on_to_the_end(world, "two")
    move = move_of(world, "one")
    assert move is not None
    world.do(move)
    world.kill("one")
    assert users_in_ledgers(world) == {ADA, BOB}

    world.finish()

    assert users_in_ledgers(world) == {BOB}


def test_two_erasures_remove_their_parts_of_one_entry(worlds: list[World]) -> None:
    contents = prepared([PutEntry("before", 1, ADA, BOB)])
    erasures = {"one": Erase("of ada", at=AT), "two": Erase("of bob", BOB, at=AT)}
    world = begun(worlds, contents, **erasures)
    for process in erasures:
        go_on_until(world, process, "ledgers.update_one")

    run_in_order(world)

    assert users_in_ledgers(world) == set()
    assert [call.record.answer.ledger_part_count for call in erasures.values()] == [1, 1]


def test_a_put_that_a_later_one_hides_does_not_say_that_it_has_not_happened(
    worlds: list[World],
) -> None:
    world = begun(worlds, {}, one=PutEntry("put", 1), two=PutEntry("later", 2))
    world.rules = Rules(failures=1)
    lost = move_of(world, "one", "is done, its answer is lost")
    assert lost is not None
    world.do(lost)
    go_on_to_the_end(world, "two")

    go_on_to_the_end(world, "one")

    assert world.calls["later"].record.answer is True
    assert isinstance(world.calls["put"].record.answer, StoreUnavailableError)
