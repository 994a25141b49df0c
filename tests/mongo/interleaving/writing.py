"""Calls that change something: what they make of a state, by the port's words alone."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text
from app.domain.ledger import LedgerEntry
from app.domain.message import NewMessage
from app.domain.session import NewSession, Precondition
from app.errors import (
    AppError,
    MessageIdConflictError,
    MessageNotFoundError,
    ParentNotFoundError,
    SessionExistsError,
)
from app.store.mongo.store import MongoStore
from app.store.port import Appended, PutOutcome
from tests.factories import ADA, KEY, make_edit, make_put
from tests.fake_clock import START
from tests.mongo.interleaving.calls import (
    Call,
    Log,
    breaks,
    explained_by,
    holds,
    latest,
    version_of,
)
from tests.mongo.interleaving.decoding import Mark, Message, Session, State, States


class Change(Call):
    """A call that makes another version of one session."""

    def __init__(
        self,
        name: str,
        key: SessionKey = KEY,
        *,
        at: datetime = START,
        precondition: Precondition | None = None,
    ) -> None:
        super().__init__(name, key)
        self.at = at
        self.precondition = precondition

    def outcome(self, state: Session) -> Session | None:
        """What it makes of a session; None where it has to refuse. May be the same."""
        raise NotImplementedError

    def explains(self, before: States, after: States) -> bool:
        state = before.sessions[self.key]
        if not isinstance(state, Session) or not holds(self.precondition, state):
            return False
        outcome = self.outcome(state)
        return outcome not in (None, state) and explained_by(before, after, [(self.key, outcome)])

    def has_right_effects(self, log: Log) -> bool:
        # Who cannot know whether it has happened may do it again in another life of the session.
        made = [log.moments[index].sessions[self.key] for index in self.record.effects]
        lives = {one.generation for one in made if isinstance(one, Session)}
        return len(lives) == len(made) and (len(made) == 1 or self.record.has_failed_steps)

    def is_idle(self, state: State) -> bool:
        return isinstance(state, Session) and self.outcome(state) == state

    def refuses(self, error: AppError, state: State) -> bool:
        return super().refuses(error, state) or breaks(self.precondition, error, state)


class Append(Change):
    """Appends messages."""

    def __init__(self, name: str, messages: Sequence[NewMessage], **options: Any) -> None:
        super().__init__(name, **options)
        self.messages = messages

    async def run(self, store: MongoStore) -> Appended:
        return await store.append(
            self.key, self.messages, at=self.at, precondition=self.precondition
        )

    def outcome(self, state: Session) -> Session | None:
        known = {message.wire["id"]: message.digest for message in state.messages}
        added: list[Message] = []
        for message in self.messages:
            digest = message.encoded().digest
            if message.id in known:
                if known[message.id] != digest:
                    return None
                continue
            if message.parent_id is not None and message.parent_id not in known:
                return None
            known[message.id] = digest
            wire = {
                "seq": len(state.messages) + len(added),
                "id": message.id,
                "content": message.content,
                "message_type": message.message_type.value,
                "user_id": message.user_id,
                "metadata": message.metadata,
                "created_at": instant_text(message.created_at),
                "parent_id": message.parent_id,
                "edited_at": None,
                "deleted_at": None,
            }
            added.append(Message(wire, digest, state.revision + 1))
        if not added:
            return state
        return _next(state, [*state.messages, *added], at=self.at, changes=0, last=added[-1].wire)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        assert isinstance(answer, Appended)
        if not isinstance(state, Session) or answer.version != version_of(state):
            return False
        by_id = {wire["id"]: wire for wire in state.wires}
        wires = [json.loads(body) for body in answer.messages_json]
        return wires == [by_id.get(message.id) for message in self.messages]

    def refuses(self, error: AppError, state: State) -> bool:
        if isinstance(error, MessageIdConflictError | ParentNotFoundError):
            return isinstance(state, Session) and self.outcome(state) is None
        return super().refuses(error, state)


class Edit(Change):
    """Gives a message another text."""

    def __init__(self, name: str, message_id: str, content: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.message_id = message_id
        self.content = content

    async def run(self, store: MongoStore) -> tuple[bytes, Version]:
        edit = make_edit(self.content, at=self.at)
        return await store.edit_message(self.key, self.message_id, edit, self.precondition)

    def outcome(self, state: Session) -> Session | None:
        seq = state.find(self.message_id)
        if seq is None or state.wires[seq]["deleted_at"] is not None:
            return None
        before = state.messages[seq]
        if before.wire["content"] == self.content:
            return state
        at = instant_text(self.at)
        edited = replace(
            before,
            wire={**before.wire, "content": self.content, "edited_at": at},
            changed=state.revision + 1,
            past_texts=(*before.past_texts, (before.wire["content"], at)),
        )
        return _next(state, _with(state, seq, edited), at=self.at, changes=1)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        body, version = answer
        if not isinstance(state, Session) or version != version_of(state):
            return False
        seq = state.find(self.message_id)
        return seq is not None and json.loads(body) == state.wires[seq]

    def refuses(self, error: AppError, state: State) -> bool:
        is_absent = isinstance(state, Session) and self.outcome(state) is None
        if is_absent and isinstance(error, MessageNotFoundError):
            return True
        return super().refuses(error, state)


class DeleteMessage(Change):
    """Makes a message its tombstone."""

    def __init__(self, name: str, message_id: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.message_id = message_id

    async def run(self, store: MongoStore) -> Version:
        return await store.delete_message(self.key, self.message_id, self.at, self.precondition)

    def outcome(self, state: Session) -> Session | None:
        seq = state.find(self.message_id)
        if seq is None:
            return None
        before = state.messages[seq]
        if before.wire["deleted_at"] is not None:
            return state
        tombstone = {
            **before.wire,
            "content": "",
            "user_id": None,
            "metadata": {},
            "edited_at": None,
            "deleted_at": instant_text(self.at),
        }
        deleted = replace(before, wire=tombstone, changed=state.revision + 1, past_texts=())
        return _next(state, _with(state, seq, deleted), at=self.at, changes=1)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        if not isinstance(state, Session) or answer != version_of(state):
            return False
        seq = state.find(self.message_id)
        return seq is not None and state.wires[seq]["deleted_at"] is not None

    def refuses(self, error: AppError, state: State) -> bool:
        is_absent = isinstance(state, Session) and self.outcome(state) is None
        if is_absent and isinstance(error, MessageNotFoundError):
            return True
        return super().refuses(error, state)


class Rename(Change):
    """Changes the header."""

    def __init__(self, name: str, session_name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.session_name = session_name

    async def run(self, store: MongoStore) -> Any:
        change = make_put(at=self.at, session_name=self.session_name)
        return await store.change_header(self.key, change, self.precondition)

    def outcome(self, state: Session) -> Session | None:
        if state.header["session_name"] == self.session_name:
            return state
        outcome = _next(state, state.messages, at=self.at, changes=1)
        return replace(outcome, header={**outcome.header, "session_name": self.session_name})

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return isinstance(state, Session) and answer.model_dump(mode="json") == state.header


class Insert(Call):
    """Stores a new session; several of them, as a fold does, where `is_fold`."""

    def __init__(self, name: str, *sessions: NewSession, is_fold: bool = False) -> None:
        super().__init__(name, sessions[0].key)
        self.sessions = sessions
        self.is_fold = is_fold
        self.new = {session.key: _new(session) for session in sessions}

    async def run(self, store: MongoStore) -> Any:
        if self.is_fold:
            return await store.insert_absent(self.sessions)
        return await store.insert(self.sessions[0])

    def explains(self, before: States, after: States) -> bool:
        changed = [key for key in self.new if before.sessions[key] != after.sessions[key]]
        if self.is_fold and len(changed) == 1 and after.sessions[changed[0]] is None:
            # It takes back what came in while the user was being erased.
            state = before.sessions[changed[0]]
            return (
                changed[0].user_id in before.erased
                and isinstance(state, Session)
                and state.generation == self.new[changed[0]].generation
                and explained_by(before, after, [(changed[0], None)])
            )
        taken = Session if not self.is_fold else Session | Mark
        return not any(isinstance(before.sessions[key], taken) for key in changed) and explained_by(
            before, after, [(key, self.new[key]) for key in changed]
        )

    def has_right_effects(self, log: Log) -> bool:
        return self.is_fold or super().has_right_effects(log)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        if self.is_fold:
            return True  # judged below, key by key
        return isinstance(state, Session) and answer.model_dump(mode="json") == state.header

    def is_idle(self, state: State) -> bool:
        if self.is_fold:
            return True
        digest = self.sessions[0].creation_digest
        return digest is not None and isinstance(state, Session)

    def refuses(self, error: AppError, state: State) -> bool:
        return isinstance(error, SessionExistsError) and isinstance(state, Session)

    def judge(self, log: Log) -> None:
        super().judge(log)
        record = self.record
        if not self.is_fold or isinstance(record.answer, AppError):
            return
        first = log.now if record.first is None else record.first
        for (key, new), is_stored in zip(self.new.items(), record.answer, strict=True):
            seen = log.during(first, key)
            was_stored = any(
                isinstance(state, Session) and state.generation == new.generation for state in seen
            )
            if is_stored:
                assert was_stored, f"{self.name} says that it stored {key}"
            else:
                assert (
                    any(isinstance(state, Session | Mark) for state in seen)
                    or key.user_id in log.moments[-1].erased
                ), f"{self.name} did not store {key}"


class PutImage(Call):
    """Stores a session as another store has it."""

    def __init__(self, name: str, image: SessionImage, session: Session) -> None:
        super().__init__(name)
        self.image = image
        self.session = session

    async def run(self, store: MongoStore) -> PutOutcome:
        return await store.put_image(self.image)

    def explains(self, before: States, after: States) -> bool:
        state = before.sessions[self.key]
        return not (isinstance(state, Session) and not self._continues(state)) and explained_by(
            before, after, [(self.key, self.session)]
        )

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return isinstance(state, Session) and version_of(state) == version_of(self.session)

    def is_idle(self, state: State) -> bool:
        return version_of(state) == version_of(self.session)

    def refuses(self, error: AppError, state: State) -> bool:
        return (
            isinstance(error, SessionExistsError)
            and isinstance(state, Session)
            and not self._continues(state)
        )

    def _continues(self, state: Session) -> bool:
        ours = self.session
        return (
            state.generation == ours.generation
            and state.revision < ours.revision
            and all(
                mine.digest == theirs.digest and mine.appended == theirs.appended
                for mine, theirs in zip(ours.messages, state.messages, strict=False)
            )
            and len(state.messages) <= len(ours.messages)
            and all(
                mine.wire == theirs.wire or (mine.changed or 0) > state.revision
                for mine, theirs in zip(ours.messages, state.messages, strict=False)
            )
        )


class Delete(Call):
    """Deletes a session."""

    def __init__(
        self, name: str, *, at: datetime = START, precondition: Precondition | None = None
    ) -> None:
        super().__init__(name)
        self.at = at
        self.precondition = precondition

    async def run(self, store: MongoStore) -> None:
        await store.delete(self.key, self.at, self.precondition)

    def explains(self, before: States, after: States) -> bool:
        state = before.sessions[self.key]
        return (
            isinstance(state, Session)
            and holds(self.precondition, state)
            and explained_by(before, after, [(self.key, Mark(instant_text(self.at)))])
        )

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return True

    def is_idle(self, state: State) -> bool:
        # What another one deletes while the answer to ours is lost may count as ours.
        return self.record.has_failed_steps and not isinstance(state, Session)

    def refuses(self, error: AppError, state: State) -> bool:
        return super().refuses(error, state) or breaks(self.precondition, error, state)


class TakeBack(Call):
    """Takes back what a fold did: to nothing, or to what the session was before."""

    def __init__(
        self, name: str, version: Version, earlier: tuple[SessionImage, Session] | None = None
    ) -> None:
        super().__init__(name)
        self.version = version
        self.image = earlier[0] if earlier else None
        self.session = earlier[1] if earlier else None

    async def run(self, store: MongoStore) -> bool:
        return await store.take_back(self.key, self.version, self.image)

    def explains(self, before: States, after: States) -> bool:
        return version_of(before.sessions[self.key]) == self.version and explained_by(
            before, after, [(self.key, self.session)]
        )

    def has_right_effects(self, log: Log) -> bool:
        # Who cannot know whether it has happened does it again where an image brings it back.
        return super().has_right_effects(log) or self.record.has_failed_steps

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        # What another one takes back while the answer to ours is lost may count as ours.
        return answer is bool(self.record.effects) or self.record.has_failed_steps

    def is_idle(self, state: State) -> bool:
        return version_of(state) != self.version


class PutEntry(Call):
    """Puts an entry of a ledger; no two have the same body."""

    def __init__(self, name: str, revision: int = 1, *users: str) -> None:
        super().__init__(name)
        parts = dict.fromkeys(users, name.encode())
        self.entry = LedgerEntry("run", 1, revision, name.encode(), parts)
        self.id = "run/1"

    async def run(self, store: MongoStore) -> bool:
        return await store.put_ledger_entry(self.entry)

    def explains(self, before: States, after: States) -> bool:
        if explains_forgetting(before, after):
            return True
        there = before.entries.get(self.id)
        ours = after.entries[self.id]
        return (
            (there.revision if there else 0) == self.entry.revision - 1
            and ours.body == self.entry.body
            and ours.users <= self.entry.parts.keys()
            and self.entry.parts.keys() - ours.users <= before.erased
            and after == replace(before, entries={**before.entries, self.id: ours})
        )

    def has_right_effects(self, log: Log) -> bool:
        return True

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        first = log.now if self.record.first is None else self.record.first
        found = [moment.entries.get(self.id) for moment in log.moments[first:]]
        return answer is any(entry and entry.body == self.entry.body for entry in found)

    def is_idle(self, state: State) -> bool:
        return True


class Erase(Call):
    """Erases the user."""

    def __init__(self, name: str, user_id: str = ADA, *, at: datetime = START) -> None:
        super().__init__(name)
        self.user_id = user_id
        self.at = at

    async def run(self, store: MongoStore) -> Any:
        return await store.erase_user(self.user_id, self.at)

    def explains(self, before: States, after: States) -> bool:
        for key, state in after.sessions.items():
            if state != before.sessions[key] and (state is not None or key.user_id != self.user_id):
                return False
        return after.erased == before.erased | {self.user_id} and all(
            entry in (before.entries[name], before.entries[name].without([self.user_id]))
            for name, entry in after.entries.items()
        )

    def has_right_effects(self, log: Log) -> bool:
        return True

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return True

    def is_idle(self, state: State) -> bool:
        return True

    def judge(self, log: Log) -> None:
        super().judge(log)
        if not isinstance(self.record.answer, AppError):
            first = log.now if self.record.first is None else self.record.first
            for key in log.moments[-1].sessions:
                if key.user_id == self.user_id:
                    seen = log.during(first, key)
                    is_gone = not all(isinstance(state, Session) for state in seen)
                    assert is_gone, f"{key} has outlived {self.name}"


class Tidy(Call):
    """Does the chores that are due."""

    async def run(self, store: MongoStore) -> int:
        return await store.tidy()

    def explains(self, before: States, after: States) -> bool:
        if explains_forgetting(before, after):
            return True
        # It takes back what a fold was killed before it could.
        changed = [key for key, state in after.sessions.items() if state != before.sessions[key]]
        return (
            after.erased == before.erased
            and after.entries == before.entries
            and all(key.user_id in before.erased and after.sessions[key] is None for key in changed)
        )

    def has_right_effects(self, log: Log) -> bool:
        return True

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return True

    def is_idle(self, state: State) -> bool:
        return True


def renewed(image: SessionImage, session: Session, generation: str) -> tuple[SessionImage, Session]:
    """The same in another generation."""
    header = image.header.model_copy(update={"generation": generation})
    return (
        replace(image, header=header),
        replace(session, header={**session.header, "generation": generation}),
    )


def explains_forgetting(before: States, after: States) -> bool:
    """Whether nothing has changed but that parts of users have gone who are erased."""
    if after.entries.keys() != before.entries.keys():
        return False
    pairs = [(was, after.entries[name]) for name, was in before.entries.items()]
    return after == replace(before, entries=after.entries) and all(
        entry == replace(was, users=entry.users)
        and entry.users <= was.users <= entry.users | before.erased
        for was, entry in pairs
    )


def _new(session: NewSession) -> Session:
    empty = Session(
        {
            **session.header().model_dump(mode="json"),
            "message_count": 0,
            "next_seq": 0,
            "revision": 0,
            "last_message_at": None,
        }
    )
    filled = Append("creation", [m for m in session.messages if isinstance(m, NewMessage)])
    outcome = filled.outcome(empty)
    assert outcome is not None
    messages = outcome.messages
    header = {
        **outcome.header,
        "revision": 1,
        "updated_at": instant_text(session.updated_at),
    }
    return Session(header, messages)


def _with(state: Session, seq: int, message: Message) -> list[Message]:
    return [*state.messages[:seq], message, *state.messages[seq + 1 :]]


def _next(
    state: Session,
    messages: Sequence[Message],
    *,
    at: datetime,
    changes: int,
    last: dict[str, Any] | None = None,
) -> Session:
    living = [message.wire for message in messages if message.wire["deleted_at"] is None]
    last = last or (living[-1] if living else None)
    header = {
        **state.header,
        "message_count": len(living),
        "next_seq": len(messages),
        "last_message_at": last and last["created_at"],
        "updated_at": latest([state.header["updated_at"], instant_text(at)]),
        "revision": state.revision + 1,
        "changes": state.header["changes"] + changes,
    }
    return Session(header, tuple(messages))
