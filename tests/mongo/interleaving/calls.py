"""Call: one use of a store, what it may change, and whether its answer was true when it came."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.identity import SessionKey, Version
from app.domain.session import Precondition
from app.errors import (
    AppError,
    RevisionMismatchError,
    SessionNotFoundError,
    StoreUnavailableError,
)
from app.store.mongo.store import MongoStore
from tests.factories import KEY
from tests.mongo.interleaving.decoding import Session, State, States


class Log:
    """Every state that the database has been in, in order."""

    def __init__(self, first: States) -> None:
        self.moments = [first]
        self._versions: dict[tuple[SessionKey, str, int], Session] = {}
        self._remember(first)

    @property
    def now(self) -> int:
        """The index of the current state."""
        return len(self.moments) - 1

    def add(self, states: States) -> None:
        self.moments.append(states)
        self._remember(states)

    def during(self, first: int, key: SessionKey) -> list[State]:
        """What was under a key since a moment, each state once."""
        states: list[State] = []
        for moment in self.moments[first:]:
            state = moment.sessions.get(key)
            if not states or states[-1] != state:
                states.append(state)
        return states

    def find_version(self, key: SessionKey, version: Version) -> Session | None:
        """The session when it was at a version; None where it was not, or not seen to be."""
        return self._versions.get((key, version.generation, version.revision))

    def _remember(self, states: States) -> None:
        for key, state in states.sessions.items():
            if isinstance(state, Session):
                self._versions[key, state.generation, state.revision] = state


@dataclass
class Record:
    """What became of a call."""

    first: int | None = None
    """The index of the state that its first step met; None: it has not begun."""
    effects: list[int] = field(default_factory=list)
    """The indices of the states that its steps have made."""
    has_failed_steps: bool = False
    is_done: bool = False
    answer: Any = None
    """What it has returned or raised."""


class Call(ABC):
    """One call of one task; it is made once."""

    def __init__(self, name: str, key: SessionKey = KEY) -> None:
        self.name = name
        self.key = key
        self.record = Record()

    @abstractmethod
    async def run(self, store: MongoStore) -> Any:
        """Use the store."""

    @abstractmethod
    def explains(self, before: States, after: States) -> bool:
        """Whether a step of this call may turn the one state into the other."""

    @abstractmethod
    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        """Whether an answer is what this state calls for."""

    @abstractmethod
    def is_idle(self, state: State) -> bool:
        """Whether there is nothing to change in this state."""

    def refuses(self, error: AppError, state: State) -> bool:
        """Whether a state justifies an error."""
        return isinstance(error, SessionNotFoundError) and not isinstance(state, Session)

    def has_right_effects(self, log: Log) -> bool:
        """Whether it has not happened more often than it should."""
        return len(self.record.effects) == 1

    def judge(self, log: Log) -> None:
        """Fail unless the answer was true at a moment between the beginning and the end."""
        record = self.record
        first = log.now if record.first is None else record.first
        seen = log.during(first, self.key)
        error = record.answer
        if isinstance(error, StoreUnavailableError):
            assert record.has_failed_steps, f"{self.name} gave up: {error}"
        elif isinstance(error, AppError):
            assert not record.effects, f"{self.name} raised {error!r} and has changed something"
            assert any(self.refuses(error, state) for state in seen), f"{self.name}: {error!r}"
        elif isinstance(error, BaseException):
            raise AssertionError(f"{self.name} ended by {error!r}") from error
        elif not record.effects:
            assert any(
                self.is_idle(state) and self.is_true(record.answer, state, log) for state in seen
            ), f"{self.name} answered {record.answer!r}"
        else:
            later = log.during(record.effects[-1], self.key)
            if not record.has_failed_steps:
                later = later[:1]
            assert any(self.is_true(record.answer, state, log) for state in later), (
                f"{self.name} answered {record.answer!r}"
            )


def explained_by(
    before: States, after: States, changed: Sequence[tuple[SessionKey, State]]
) -> bool:
    """Whether these sessions are the whole difference between two states."""
    expected = {**before.sessions, **dict(changed)}
    return (
        after.sessions == expected
        and after.erased == before.erased
        and after.entries == before.entries
    )


def breaks(precondition: Precondition | None, error: AppError, state: State) -> bool:
    """Whether a precondition is what an error speaks of, and does not hold."""
    return (
        precondition is not None
        and precondition.versions is not None
        and isinstance(error, RevisionMismatchError)
        and isinstance(state, Session)
        and (state.generation, state.revision) == (error.current_generation, error.current_revision)
        and (state.generation, state.revision) not in precondition.versions
    )


def holds(precondition: Precondition | None, state: Session) -> bool:
    """Whether a precondition lets a change be made of this state."""
    return (
        precondition is None
        or precondition.versions is None
        or (state.generation, state.revision) in precondition.versions
    )


def version_of(state: State) -> Version | None:
    """Of a session."""
    return Version(state.generation, state.revision) if isinstance(state, Session) else None


def latest(instants: Iterable[str]) -> str:
    """The latest of instants as texts, which are in the order of time."""
    return max(instants)
