"""Wandering: calls of several processes in an order that is drawn, with all that goes wrong."""

from collections.abc import Sequence
from itertools import count
from random import Random
from zlib import crc32

from app.domain.identity import Version
from app.domain.image import SessionImage
from app.domain.message import NewMessage
from app.domain.session import Precondition
from app.store.port import MessageWindow
from tests.factories import ADA, make_message, make_new_session
from tests.fake_clock import instant
from tests.mongo.interleaving.calls import Call
from tests.mongo.interleaving.decoding import Session
from tests.mongo.interleaving.reading import (
    FindVersion,
    ListMessages,
    ListPastTexts,
    ListRecent,
    Read,
    ReadImage,
    Search,
)
from tests.mongo.interleaving.world import Move, Rules, World
from tests.mongo.interleaving.writing import (
    Append,
    Delete,
    DeleteMessage,
    Edit,
    Erase,
    Insert,
    PutEntry,
    PutImage,
    Rename,
    TakeBack,
    Tidy,
    renewed,
)

_SIZES = (20, 20, 20, 300, 900, 2500)
_PAUSES_SECONDS = (0.0, 61.0, 7200.0)


def said(number: int, size: int = 0) -> str:
    """A text that no other number has, and that can be searched for."""
    return f"said{number:06d} word ".ljust(size, "x")


class Wanderer:
    """Draws calls, and what happens next."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._numbers = count(1)
        self._last: tuple[str, str] | None = None

    def wander(self, world: World) -> None:
        """Go through some rounds of calls at once, between which time passes."""
        random = self._random
        names = [f"process {number}" for number in range(random.choice([2, 2, 3]))]
        for name in names:
            world.open(name)
        world.start(names[0], [self._insertion("creation")])
        world.run(lambda moves: moves[0])
        for round_ in range(random.randint(1, 3)):
            world.rules = random.choice(
                [Rules(), Rules(minutes=1), Rules(kills=1), Rules(failures=2, late=1, minutes=1)]
            )
            for name in names:
                if name not in world.alive:
                    world.open(name)
            for task in range(random.randint(2, 4)):
                calls = [
                    self.call(world, f"{round_}.{task}.{number}")
                    for number in range(random.randint(1, 3))
                ]
                world.start(random.choice(names), calls)
            world.run(self.choose)
            world.clock.advance(random.choice(_PAUSES_SECONDS))
        world.finish()

    def choose(self, moves: Sequence[Move]) -> Move:
        """Mostly the task that went last goes on; seldom something goes wrong."""
        random = self._random
        steps = [move for move in moves if move.kind == "go"]
        same = [move for move in steps if move.step and move.step.task == self._last]
        if same and random.random() < 0.5:
            move = same[0]
        elif steps and random.random() < 0.95:
            move = random.choice(steps)
        else:
            move = random.choice(list(moves))
        if move.step is not None:
            self._last = move.step.task
        return move

    def call(self, world: World, name: str) -> Call:
        """Any call of the session that all of this is about."""
        random = self._random
        number = next(self._numbers)
        at = instant(number)
        guard = self._guard()
        match random.choice("AAAAAAEEEDDHXIFTRRRRLPMMSVCGBBN" + "U" * (random.random() < 0.3)):
            case "B":
                return self._taking_back(world, name)
            case "N":
                return PutEntry(f"note {name}", random.randint(1, 3), *random.choice([(), (ADA,)]))
            case "G" if self._images(world):
                image, session = random.choice(self._images(world))
                return PutImage(f"put {name}", image, session)
            case "A":
                messages = [
                    self._message(f"m{random.randrange(30)}")
                    for _ in range(random.choice([1, 1, 1, 2, 3]))
                ]
                return Append(f"append {name}", messages, at=at, precondition=guard)
            case "E":
                text = said(number, random.choice(_SIZES))
                return Edit(f"edit {name}", self._id(), text, at=at, precondition=guard)
            case "D":
                return DeleteMessage(
                    f"delete message {name}", self._id(), at=at, precondition=guard
                )
            case "H":
                return Rename(f"rename {name}", f"name {number}", at=at, precondition=guard)
            case "X":
                return Delete(f"delete {name}", at=at, precondition=guard)
            case "I":
                return self._insertion(f"insert {name}")
            case "F":
                return self._insertion(f"fold {name}", is_fold=True)
            case "T":
                return Tidy(f"tidy {name}")
            case "U":
                return Erase(f"erase {name}", at=at)
            case "L":
                return ListMessages(
                    f"list {name}",
                    random.choice(
                        [
                            MessageWindow(limit=random.randint(1, 5), offset=random.randint(0, 9)),
                            MessageWindow(limit=2, before_seq=random.randint(0, 12)),
                            MessageWindow(limit=2, after_seq=random.randint(-1, 12)),
                        ]
                    ),
                )
            case "P":
                return ListPastTexts(f"past texts {name}", self._id())
            case "M":
                return ReadImage(f"image {name}")
            case "S":
                return Search(f"search {name}", "word")
            case "V":
                return FindVersion(f"version {name}")
            case "C":
                return ListRecent(f"recent {name}")
            case _:
                return Read(
                    f"read {name}",
                    after_seq=random.choice([None, None, random.randint(-1, 12)]),
                    since=random.choice([None, self._version()]),
                )

    def _taking_back(self, world: World, name: str) -> Call:
        """To nothing, or to some state that was read before."""
        random = self._random
        version = self._version()
        if self._images(world) and random.random() < 0.7:
            image, session = random.choice(self._images(world))
            version = image.header.version
            if random.random() < 0.7:
                generation = f"{next(self._numbers):016x}"
                self._generation = generation
                return TakeBack(f"back {name}", version, renewed(image, session, generation))
        return TakeBack(f"back {name}", version)

    def _images(self, world: World) -> list[tuple[SessionImage, Session]]:
        """What was read before, as another store would have it."""
        return [
            (call.record.answer, session)
            for call in world.calls.values()
            if isinstance(call.record.answer, SessionImage)
            and (session := world.log.find_version(call.key, call.record.answer.header.version))
        ]

    def _id(self) -> str:
        return f"m{self._random.randrange(12)}"

    def _message(self, message_id: str) -> NewMessage:
        drawn = crc32(message_id.encode())
        is_other = self._random.random() < 0.02
        is_fresh = self._random.random() < 0.2
        if is_fresh:
            message_id = f"fresh {next(self._numbers)}"
        return make_message(
            message_id,
            said(drawn % 100_000 + 500_000 * is_other, _SIZES[drawn % len(_SIZES)])
            if not is_fresh
            else said(next(self._numbers) + 200_000, 20),
            created_at=instant(drawn % 1000),
            parent_id=self._id() if self._random.random() < 0.05 else None,
            is_id_fresh=is_fresh,
        )

    def _insertion(self, name: str, *, is_fold: bool = False) -> Insert:
        random = self._random
        number = random.choice([1, 1, 2]) if not is_fold else next(self._numbers)
        size = random.choice([0, 3, 3, 12])
        messages = [self._plain(f"m{place}") for place in range(size)]
        session = make_new_session(
            messages=messages,
            generation=f"{next(self._numbers):016x}",
            creation_digest=b"created by call." if not is_fold and number == 1 else None,
        )
        self._generation = session.generation
        return Insert(name, session, is_fold=is_fold)

    def _plain(self, message_id: str) -> NewMessage:
        drawn = crc32(message_id.encode())
        return make_message(
            message_id,
            said(drawn % 100_000, _SIZES[drawn % len(_SIZES)]),
            created_at=instant(drawn % 1000),
        )

    def _version(self) -> Version:
        return Version(self._generation, self._random.randint(1, 15))

    def _guard(self) -> Precondition | None:
        if self._random.random() < 0.9:
            return None
        versions = [self._version() for _ in range(3)]
        return Precondition(versions=frozenset(versions))
