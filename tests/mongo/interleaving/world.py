"""World: a database, the processes that share it, and every next thing that may happen."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import pytest

from app.domain.identity import SessionKey
from app.store.marking import Marking
from app.store.mongo.connection import Connection
from app.store.mongo.schema import ServerFacts, collections_of
from app.store.mongo.store import MongoStore
from app.store.port import Erasure
from tests.factories import KEY
from tests.fake_clock import FakeClock
from tests.mongo.facade import Document, database_in_memory
from tests.mongo.interleaving.calls import Call, Log
from tests.mongo.interleaving.decoding import Decoder, Session, States, chain_of
from tests.mongo.interleaving.loop import StepLoop
from tests.mongo.interleaving.reading import ListRecent, Read, ReadImage
from tests.mongo.interleaving.stepping import Step, SteppedDatabase, at_once, owner
from tests.mongo.interleaving.writing import Append, Erase, Insert, Tidy

SECRET = b"the secret of all stores in here"
SEGMENT_BYTES = 6400
"""A session is sealed beyond so much, one with segments beyond a sixteenth of it; one short message
stays in the head then."""

_FACTS = ServerFacts(has_replicas=False, document_bytes=16 * 1024 * 1024, can_project_changes=True)
_A_MINUTE = 61.0
_TWO_HOURS = 7200.0
_COLLECTIONS = ("sessions", "segments", "chores", "ledgers", "meta")

_RESULTS = ("inserted_id", "inserted_ids", "matched_count", "deleted_count")

Contents = dict[str, list[Document]]
"""All documents of a database by collection."""


class Rules(NamedTuple):
    """How much may go wrong in one run."""

    kills: int = 0
    failures: int = 0
    """How many steps may be answered by a broken connection."""
    late: int = 0
    """How many of these may happen after all, but later."""
    minutes: int = 0
    """How often a minute may pass between two steps."""
    switches: int | None = None
    """How often another task may go on while the one before could; None: always."""


@dataclass(frozen=True)
class Move:
    """Something that may happen next."""

    kind: str
    step: Step | None = None
    process: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "go":
                return str(self.step)
            case "kill":
                return f"{self.process} is killed"
            case "minute":
                return "a minute passes"
            case _:
                return f"{self.step} ({self.kind})"


class Process:
    """One process that has opened the store."""

    def __init__(self, name: str, life: int) -> None:
        self.name = name
        self._life = life
        self.loop = StepLoop()  # type: ignore[abstract] # what it lacks, nobody asks of it
        self.store: MongoStore
        self._random_count = 0

    def go_on(self) -> None:
        """Run until each task waits for the database."""
        with pytest.MonkeyPatch.context() as patch:
            # So that the same steps make the same ids, whatever the others have done meanwhile.
            patch.setattr(os, "urandom", self._random)
            self.loop.run_ready()
        assert not self.loop.complaints, self.loop.complaints

    def _random(self, size: int) -> bytes:
        self._random_count += 1
        return blake2b(
            f"{self.name}-{self._life}-{self._random_count}".encode(), digest_size=size
        ).digest()


class World:
    """A run: what has happened so far, and what can happen next."""

    def __init__(
        self,
        contents: Contents | None = None,
        *,
        rules: Rules = Rules(),  # noqa: B008 - it cannot be changed
        keys: Sequence[SessionKey] = (KEY,),
        segment_bytes: int = SEGMENT_BYTES,
        documents_at_once: int | None = None,
    ) -> None:
        self.rules = rules
        self.clock = FakeClock()
        self.database: Any = database_in_memory()
        self.waiting: list[Step] = []
        self.late: list[Step] = []
        self.story: list[str] = []
        self.calls: dict[str, Call] = {}
        self._keys = keys
        self._segment_bytes = segment_bytes
        self._documents_at_once = documents_at_once
        self._processes: dict[str, Process] = {}
        self._killed: list[Process] = []
        self._heard: dict[str, list[int]] = {}
        self._finished: list[Call] = []
        self._last_task = ("", "")
        for name, documents in (contents or {}).items():
            if documents:
                at_once(self.database[name].insert_many(documents))
        self._decoder = Decoder(SECRET, keys)
        self.log = Log(self.states())

    @property
    def alive(self) -> set[str]:
        """The names of the processes that were not killed."""
        return set(self._processes)

    # --- setting up -------------------------------------------------------------------------

    def open(self, name: str) -> None:
        """Another process opens the store."""
        process = Process(name, len(self._killed))
        self._processes[name] = process
        self._heard[name] = []
        database = SteppedDatabase(
            self.database, name, self.waiting, documents_at_once=self._documents_at_once
        ).as_async_database()
        # Not by `MongoStore.over`, which looks for indexes: that takes longer than most runs.
        collections = collections_of(database, _FACTS)
        process.store = MongoStore(
            Connection(
                database.client,
                collections,
                _FACTS.document_bytes,
                timeout_seconds=10.0,
                has_replicas=False,
            ),
            Marking(SECRET),
            self.clock,
            segment_bytes=self._segment_bytes,
        )

    def start(self, process: str, calls: Sequence[Call]) -> None:
        """Let a task of a process make calls, one after the other."""

        async def make_all() -> None:
            for call in calls:
                owner.set(call.name)
                try:
                    call.record.answer = await call.run(self._processes[process].store)
                except Exception as error:  # noqa: BLE001 - it is judged like any answer
                    call.record.answer = error
                call.record.is_done = True
                self._finished.append(call)

        for call in calls:
            assert call.name not in self.calls, "names tell calls apart"
            self.calls[call.name] = call
        self._processes[process].loop.create_task(make_all())
        self._go_on(process)

    # --- what happens -----------------------------------------------------------------------

    def moves(self) -> list[Move]:
        """All that can happen next, in an order that is always the same."""
        waiting = self.waiting
        current = [step for step in waiting if step.task == self._last_task]
        if current and self.rules.switches == 0:
            waiting = current
        unseen = [step for step in waiting if step.words.startswith("chores")]
        if unseen and not self._somebody_tidies():
            waiting = unseen[:1]  # nobody could tell when it happens
        moves = [Move("go", step) for step in waiting]
        moves.extend(Move("arrives late", step) for step in self.late)
        if not self.waiting:
            return moves
        rules = self.rules
        if rules.failures:
            for step in waiting:
                moves.append(Move("fails", step))
                if step.writes:
                    moves.append(Move("is done, its answer is lost", step))
                    if rules.late:
                        moves.append(Move("fails, and is still on its way", step))
        if rules.kills:
            alive = {step.process: None for step in waiting}
            moves.extend(Move("kill", process=name) for name in alive)
        if rules.minutes:
            moves.append(Move("minute"))
        return moves

    def do(self, move: Move) -> None:
        """Let one thing happen, and the process go on that was waiting for it."""
        self.story.append(str(move))
        rules, step = self.rules, move.step
        if step is None:
            if move.kind == "minute":
                self.rules = rules._replace(minutes=rules.minutes - 1)
                self.clock.advance(_A_MINUTE)
            else:
                self.rules = rules._replace(kills=rules.kills - 1)
                self.kill(move.process)
            return
        call = self.calls.get(step.owner)
        if call is not None and call.record.first is None:
            call.record.first = self.log.now
        if move.kind == "arrives late":
            self.late.remove(step)
            # Nothing can keep a head out that is inserted after an erasure: it leaves no mark under
            # the key. A command that has been sent arrives long before an erasure has ended.
            if not (step.words.startswith("sessions.insert") and self.log.moments[-1].erased):
                self._happen(step, call)
            return
        if step.task != self._last_task:
            if rules.switches and any(one.task == self._last_task for one in self.waiting):
                self.rules = rules = rules._replace(switches=rules.switches - 1)
            self._last_task = step.task
        self.waiting.remove(step)
        if move.kind == "go":
            answer = step.take_turn()
            self._hear(step, answer)
            self._observe(step, call)
        else:
            self.rules = rules._replace(failures=rules.failures - 1)
            if call is not None:
                call.record.has_failed_steps = True
            if move.kind == "is done, its answer is lost":
                self._happen(step, call)
            elif move.kind == "fails, and is still on its way":
                self.rules = self.rules._replace(late=rules.late - 1)
                self.late.append(step)
            self._hear(step, move.kind)
            step.fail()
        self._go_on(step.process)

    def kill(self, name: str) -> None:
        """End a process as `kill -9` does: nothing of it ever runs again."""
        self._killed.append(self._processes.pop(name))
        self.waiting[:] = [step for step in self.waiting if step.process != name]

    def run(self, choose: Callable[[list[Move]], Move]) -> None:
        """Go on until nothing can happen any more."""
        while moves := self.moves():
            self.do(choose(moves))

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """When all has ended and was tidied: nothing is left over, and retries find what is there.

        Fails otherwise.
        """
        self.story.append("two hours later")
        self.clock.advance(_TWO_HOURS)
        self.rules = Rules()
        self.open("last")
        for round_ in range(5):
            tidy = Tidy(f"tidy, round {round_}")
            self._call(tidy)
            if not tidy.record.answer:
                break
        self._check_tidy()
        appends = [call for call in self.calls.values() if isinstance(call, Append)]
        for call in appends:
            if not any(message.is_id_fresh for message in call.messages):
                retry = Append(f"{call.name}, again", call.messages, at=call.at)
                self._call(retry)
        for key in self._keys:
            self._call(Read(f"last read of {key}", key=key))
        self._call(ReadImage("last image"))
        self._call(ListRecent("last list"))

    def close(self) -> None:
        """Let go of all tasks, the killed ones, too; the run is over."""
        for process in (*self._processes.values(), *self._killed):
            process.loop.end()

    # --- what is there ----------------------------------------------------------------------

    def contents(self) -> Contents:
        """Every document of the database."""
        return {name: at_once(self.database[name].find({}).to_list()) for name in _COLLECTIONS}

    def states(self) -> States:
        """What the documents say."""
        contents = (
            at_once(self.database[name].find({}).to_list())
            for name in ("sessions", "segments", "ledgers")
        )
        return self._decoder.states(*contents)

    def place(self) -> int:
        """The same for two runs from which the same can follow."""
        unfinished = [
            (call.name, call.record.has_failed_steps, len(call.record.effects), self._seen(call))
            for call in self.calls.values()
            if not call.record.is_done
        ]
        late = [str(step) for step in self.late]
        heard = {name: heard for name, heard in self._heard.items() if name in self._processes}
        last = self._last_task if self.rules.switches is not None else None
        return hash(
            repr((self._documents(), unfinished, late, heard, last, self.rules, self.clock.now()))
        )

    def ending(self) -> int:
        """The same for two runs that have ended with the same."""
        return hash(repr((self._documents(), sorted(self._texts_ever()), self.clock.now())))

    def _documents(self) -> list[list[str]]:
        contents = self.contents()
        names = ("sessions", "segments", "chores", "ledgers")
        return [sorted(repr(document) for document in contents[name]) for name in names]

    def _somebody_tidies(self) -> bool:
        return any(
            isinstance(call, Tidy) and not call.record.is_done for call in self.calls.values()
        )

    def _seen(self, call: Call) -> list[int] | None:
        first = call.record.first
        if first is None:
            return None
        return [hash(repr(state)) for state in self.log.during(first, call.key)]

    def _happen(self, step: Step, call: Call | None) -> None:
        try:
            step.happen()
        except Exception:  # noqa: BLE001 - nobody hears what the server answers
            return
        self._observe(step, call)

    def _observe(self, step: Step, call: Call | None) -> None:
        """Fail unless what has changed is what a call was to change."""
        if not step.writes or step.words.startswith("chores"):
            return
        after = self.states()
        before = self.log.moments[-1]
        if after == before:
            return
        assert call is not None, "what nobody should see has changed what users see"
        assert call.explains(before, after), f"{call.name} has made {after} of {before}"
        self.log.add(after)
        call.record.effects.append(self.log.now)
        assert call.has_right_effects(self.log), f"{call.name} has happened twice"

    def _hear(self, step: Step, answer: Any) -> None:
        if hasattr(answer, "acknowledged"):
            answer = [getattr(answer, name, None) for name in _RESULTS]
        self._heard[step.process].append(hash(f"{step.owner} {step.words} {answer!r}"))

    def _go_on(self, process: str) -> None:
        self._processes[process].go_on()
        finished, self._finished = self._finished, []
        for call in finished:
            self.story.append(f"{call.name} has ended: {_short(call.record.answer)}")
            call.judge(self.log)

    def _call(self, call: Call) -> None:
        self.start("last", [call])
        self.run(lambda moves: moves[0])

    def _check_tidy(self) -> None:
        contents = self.contents()
        assert contents["chores"] == []
        by_id = {segment["_id"]: segment for segment in contents["segments"]}
        heads = [head for head in contents["sessions"] if "deleted_at" not in head]
        on_chain = {segment["_id"] for head in heads for segment in chain_of(head, by_id)}
        assert on_chain == by_id.keys(), "segments are left that are on no chain"
        states = self.log.moments[-1]
        folded = {
            new.generation
            for call in self.calls.values()
            if isinstance(call, Insert) and call.is_fold
            for new in call.new.values()
        }
        erased = {
            call.user_id
            for call in self.calls.values()
            if isinstance(call, Erase) and isinstance(call.record.answer, Erasure)
        }
        for key, state in states.sessions.items():
            if key.user_id in erased and isinstance(state, Session):
                assert state.generation not in folded, "a fold has brought back who was erased"
        for entry in states.entries.values():
            assert not entry.users & erased, "a part has outlived its user"
        everything = repr(contents)
        forgotten = [text for text in self._texts_ever() - self._texts_now() if text in everything]
        assert not forgotten, f"texts are left that nobody can see: {forgotten}"

    def _texts_ever(self) -> set[str]:
        said = {
            message.encoded().unplaced_json.decode().split('"content":"')[1].split(" ")[0]
            for call in self.calls.values()
            if isinstance(call, Append)
            for message in call.messages
        }
        return said.union(*(_texts_in(states) for states in self.log.moments))

    def _texts_now(self) -> set[str]:
        return _texts_in(self.log.moments[-1])


def _texts_in(states: States) -> set[str]:
    return {
        text.split(" ")[0]
        for session in states.sessions.values()
        if session is not None and hasattr(session, "messages")
        for message in session.messages
        for text in (message.wire["content"], *(past for past, _ in message.past_texts))
        if text
    }


def _short(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) < 200 else f"{text[:200]}…"


def prepared(
    calls: Iterable[Call], contents: Contents | None = None, *, process: str = "first"
) -> Contents:
    """What is in a database once some calls have been made one after the other.

    Processes of one name make the same ids, so who goes on needs a name of its own.
    """
    world = World(contents)
    world.open(process)
    for call in calls:
        world.start(process, [call])
        run_in_order(world)
    for call in world.calls.values():
        assert not isinstance(call.record.answer, Exception), call.record.answer
    contents = world.contents()
    world.close()
    return contents


def run_in_order(world: World) -> None:
    """Let whoever waits longest go first, to the end."""
    world.run(lambda moves: moves[0])
