"""Calls that only look: what they may answer in a state, by the port's words alone."""

import json
from typing import Any

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.instants import instant_text
from app.domain.search import parse_query
from app.errors import AppError, MessageNotFoundError
from app.store.mongo.store import MongoStore
from app.store.port import MessagePage, MessageWindow, ReadSelection
from tests.factories import KEY
from tests.mongo.interleaving.calls import Call, Log, version_of
from tests.mongo.interleaving.decoding import Session, State, States


class Look(Call):
    """A call that changes nothing."""

    def explains(self, before: States, after: States) -> bool:
        return False

    def is_idle(self, state: State) -> bool:
        return True


class Read(Look):
    """Reads a session with some or all of its messages."""

    def __init__(
        self,
        name: str,
        *,
        key: SessionKey = KEY,
        after_seq: int | None = None,
        since: Version | None = None,
    ) -> None:
        super().__init__(name, key)
        self.selection = ReadSelection(after_seq=after_seq, since=since)

    async def run(self, store: MongoStore) -> Any:
        return json.loads((await store.read(self.key, self.selection)).to_json())

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        if not isinstance(state, Session):
            return False
        messages = answer["messages"]
        is_true: bool = answer == {**state.header, "messages": messages} and messages == [
            wire
            for wire in self._wanted(state, log)
            if self.selection.after_seq is None or wire["seq"] > self.selection.after_seq
        ]
        return is_true

    def _wanted(self, state: Session, log: Log) -> list[dict[str, Any]]:
        since = self.selection.since
        if since is None or since.generation != state.generation or since.revision > state.revision:
            return state.wires
        wanted = [
            one.wire
            for one in state.messages
            if one.appended > since.revision or (one.changed or 0) > since.revision
        ]
        then = log.find_version(self.key, since)
        if then is not None:
            others = [wire for wire in state.wires if wire not in then.wires]
            assert wanted == others, "the log and the revisions of messages do not agree"
        return wanted


class ListMessages(Look):
    """Reads a page."""

    def __init__(self, name: str, window: MessageWindow) -> None:
        super().__init__(name)
        self.window = window

    async def run(self, store: MongoStore) -> MessagePage:
        return await store.list_messages(self.key, self.window)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        assert isinstance(answer, MessagePage)
        window = self.window
        if not isinstance(state, Session) or answer.version != version_of(state):
            return False
        if window.before_seq is not None:
            before = state.wires[: max(0, window.before_seq)]
            shown = before[max(0, len(before) - window.limit) :]
        else:
            start = window.offset or 0
            if window.after_seq is not None:
                start = window.after_seq + 1
            shown = state.wires[start : start + window.limit]
        wires = [json.loads(body) for body in answer.messages_json]
        return answer.next_seq == len(state.messages) and wires == shown


class ReadImage(Look):
    """Reads all that is known of a session."""

    async def run(self, store: MongoStore) -> SessionImage:
        return await store.read_image(self.key)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        assert isinstance(answer, SessionImage)
        answer.decoded_messages()
        return (
            isinstance(state, Session)
            and answer.header.model_dump(mode="json") == state.header
            and [
                (
                    json.loads(one.stored_json),
                    one.digest,
                    one.appended_revision,
                    one.changed_revision,
                    tuple(
                        (past.content, instant_text(past.replaced_at)) for past in one.past_texts
                    ),
                )
                for one in answer.messages
            ]
            == [
                (one.wire, one.digest, one.appended, one.changed, one.past_texts)
                for one in state.messages
            ]
        )


class ListPastTexts(Look):
    """Reads what a message said before."""

    def __init__(self, name: str, message_id: str) -> None:
        super().__init__(name)
        self.message_id = message_id

    async def run(self, store: MongoStore) -> Any:
        return tuple(
            (past.content, instant_text(past.replaced_at))
            for past in await store.list_past_texts(self.key, self.message_id)
        )

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        if not isinstance(state, Session):
            return False
        seq = state.find(self.message_id)
        return seq is not None and answer == state.messages[seq].past_texts

    def refuses(self, error: AppError, state: State) -> bool:
        if isinstance(state, Session) and isinstance(error, MessageNotFoundError):
            seq = state.find(self.message_id)
            return seq is None or state.wires[seq]["deleted_at"] is not None
        return super().refuses(error, state)


class FindVersion(Look):
    """Asks how far a session is."""

    async def run(self, store: MongoStore) -> Version | None:
        return await store.find_version(self.key)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return bool(answer == version_of(state))


class Search(Look):
    """Searches a word; the user has one session."""

    def __init__(self, name: str, word: str) -> None:
        super().__init__(name)
        self.word = word

    async def run(self, store: MongoStore) -> Any:
        hits = await store.search(self.key.user_id, parse_query(self.word), limit=200)
        return [(hit.seq, hit.text) for hit in hits.items if hit.seq is not None]

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        return True  # judged below: a search shows each message as it was at some moment

    def judge(self, log: Log) -> None:
        super().judge(log)
        answer = self.record.answer
        if isinstance(answer, AppError):
            return
        first = log.now if self.record.first is None else self.record.first
        seen = [self._hits_in(state) for state in log.during(first, self.key)]
        found = set(answer)
        assert len(found) == len(answer), f"{self.name} shows a message twice"
        assert found <= set().union(*seen), f"{self.name} shows what never was: {found}"
        missing = set[Any].intersection(*seen) - found
        assert not missing, f"{self.name} misses {missing}"

    def _hits_in(self, state: State) -> set[tuple[int, str]]:
        wires = state.wires if isinstance(state, Session) else []
        return {
            (wire["seq"], wire["content"])
            for wire in wires
            if self.word in wire["content"].split() and wire["deleted_at"] is None
        }


class ListRecent(Look):
    """Reads the user's newest messages; the user has one session."""

    async def run(self, store: MongoStore) -> Any:
        found = await store.list_recent_messages(self.key.user_id, limit=1000)
        return sorted((one.message.model_dump(mode="json") for one in found), key=_place)

    def is_true(self, answer: Any, state: State, log: Log) -> bool:
        wires = state.wires if isinstance(state, Session) else []
        return bool(answer == [wire for wire in wires if wire["deleted_at"] is None])


def _place(wire: dict[str, Any]) -> int:
    return int(wire["seq"])
