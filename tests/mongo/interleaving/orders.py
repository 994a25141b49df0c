"""Sessions to begin with, and every order in which a few calls can go on from there."""

from collections.abc import Callable, Sequence
from functools import cache

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.message import NewMessage
from app.domain.session import NewSession
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import instant
from tests.mongo.interleaving.calls import Call
from tests.mongo.interleaving.decoding import Session
from tests.mongo.interleaving.exploring import Explored, explore
from tests.mongo.interleaving.reading import ReadImage
from tests.mongo.interleaving.wandering import said
from tests.mongo.interleaving.world import Contents, Rules, World, prepared, run_in_order
from tests.mongo.interleaving.writing import Append, DeleteMessage, Edit, Insert, renewed

GENERATION = "0000000000000001"
DIGEST = b"of its creation."

Calls = Callable[[], dict[str, list[Call]]]
"""Calls by the process that makes them, each in a task of its own; new ones every time."""


def message(
    message_id: str, number: int, size: int = 0, *, is_id_fresh: bool = False
) -> NewMessage:
    return make_message(
        message_id, said(number, size), created_at=instant(number), is_id_fresh=is_id_fresh
    )


def session(count: int = 3, *, generation: str = GENERATION, size: int = 1950) -> NewSession:
    """Three messages of the default size are just short of being sealed; four are."""
    return make_new_session(
        messages=[message(f"m{number}", number, size) for number in range(count)],
        generation=generation,
        creation_digest=DIGEST,
    )


@cache
def nothing() -> Contents:
    return {}


@cache
def a_full_head() -> Contents:
    """A session of one document, which the next append passes over the budget."""
    return prepared([Insert("creation", session())])


@cache
def a_long_session() -> Contents:
    """One large segment and three small ones, with corrections and past texts.

    The next seal merges these: another seal would make them too large for one.
    """
    return prepared(
        [
            Insert("creation", session()),
            Append("first", [message("p1", 11, 900)], at=instant(1)),
            Edit("first edit", "m0", said(12), at=instant(2)),
            Edit("second edit", "m0", said(14), at=instant(4)),
            Append("second", [message("p2", 15, 450)], at=instant(5)),
            Append("third", [message("p3", 16)], at=instant(6)),
        ]
    )


@cache
def a_merged_session() -> Contents:
    """The same, after that merge: the next seals merge nothing."""
    append = Append("fourth", [message("p4", 17, 900)], at=instant(8))
    return prepared([append], a_long_session(), process="second")


@cache
def a_session_with_a_tombstone() -> Contents:
    """The same, and a message whose text was deleted."""
    return prepared([DeleteMessage("deletion", "m0", at=instant(7))], contents=a_long_session())


def version_in(contents: Contents) -> Version:
    """Of the only session."""
    (head,) = contents["sessions"]
    return Version(head["generation"], head["revision"])


def as_it_was(contents: Contents) -> tuple[SessionImage, Session]:
    """The only session as an image that may take its place: of a generation of its own."""
    world = World(contents)
    world.open("reader")
    world.start("reader", [ReadImage("image")])
    run_in_order(world)
    image = world.calls["image"].record.answer
    session = world.log.moments[-1].sessions[KEY]
    world.close()
    assert isinstance(image, SessionImage)
    assert isinstance(session, Session)
    return renewed(image, session, "before")


def in_every_order(
    contents: Contents,
    calls: Calls,
    *,
    documents_at_once: int | None = None,
    keys: Sequence[SessionKey] = (KEY,),
    **rules: int,
) -> Explored:
    """Let the calls go on in every order, with all that the rules let go wrong."""

    def begin() -> World:
        world = World(
            contents, rules=Rules(**rules), keys=keys, documents_at_once=documents_at_once
        )
        made = calls()
        for process, its_calls in made.items():
            world.open(process)
            for call in its_calls:
                world.start(process, [call])
        return world

    return explore(begin)
