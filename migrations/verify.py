"""Verify: compares source and store by a way of its own, without the code that folds."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from itertools import pairwise
from time import monotonic
from typing import Any

from app.domain.identity import SessionKey
from app.domain.instants import instant_text
from app.domain.session import SessionHeader
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import CorruptDocumentError, MessageNotFoundError, SessionNotFoundError
from app.progress import Progress, SilentProgress
from app.store.port import HEADER_ONLY, MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.compared_messages import (
    StoredMessage,
    differences_between,
    digest_expected,
    digest_stored,
    in_waves,
)
from migrations.expected import ExpectedMessage, ExpectedSession, ExpectedSessions
from migrations.expected_projects import expected_project
from migrations.expected_readers import READERS
from migrations.expected_session import TOLD_FIELDS
from migrations.verify_projects import ProjectComparison, expected_project_id
from migrations.verify_report import Difference, VerifyReport
from migrations.waves import Waves, waves_of

_EXAMPLE_LIMIT = 1000


async def verify(
    job_name: str,
    format_name: str,
    location: str,
    store: SessionStore,
    *,
    options: SourceOptions = AS_IT_IS,
    progress: Progress | None = None,
) -> VerifyReport:
    """Compare every session that the source must have become with what the store has.

    The location is a path, `-` or a URL; with options that want only some sessions, those are
    compared.

    Raises:
        SourceError: the source cannot be read.
        StoreError: the store cannot be read at all.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    reader = READERS[format_name](options)
    expected = ExpectedSessions(reader, options, store.limits)
    with closing(expected):
        await expected.load(location, progress)
        progress.begin("comparing", expected.session_count)
        waves = await waves_of(store, format_name)
        comparison = _Comparison(store, format_name, waves, expected.place)
        projects = ProjectComparison(store, format_name, comparison.differ)
        for done, session in enumerate(expected.sessions(), start=1):
            if reader.needs_session:
                await _compare_with_project(expected, session, comparison, projects)
            else:
                await comparison.compare(session)
            progress.advance(done, comparison.messages_expected)
    return VerifyReport(
        job=job_name,
        source=expected.source_name,
        record_word=expected.record_word,
        seconds=monotonic() - began_at_seconds,
        records_read=expected.records_read,
        sessions_expected=expected.session_count,
        messages_expected=comparison.messages_expected,
        sessions_equal=comparison.sessions_equal,
        differences=dict(sorted(comparison.differences.items())),
        examples=comparison.examples,
        written_since=[named(key) for key in comparison.written_since],
        deleted_since=[named(key) for key in comparison.deleted_since],
        not_ours=[named(key) for key in comparison.not_ours],
        documents_expected=dict(projects.expected),
        projects_changed_since=[named(key) for key in projects.changed_since],
    )


async def _compare_with_project(
    expected: ExpectedSessions,
    session: ExpectedSession,
    comparison: "_Comparison",
    projects: ProjectComparison,
) -> None:
    """Compare a session, and the project that it must have become."""
    key = SessionKey(session.user_id, session.session_id)
    messages = list(session.messages)
    told = {**(session.told or {}), "project_id": expected_project_id(key)}
    if await comparison.compare(session._replace(messages=iter(messages), told=told)):
        artifacts = expected.artifacts(session)
        await projects.compare(key, expected_project(session, messages, artifacts))


def named(key: SessionKey) -> dict[str, str]:
    """A key by its members' names."""
    return {"user_id": key.user_id, "session_id": key.session_id}


class _Comparison:
    """Compares one session after the other and remembers what differs."""

    def __init__(
        self,
        store: SessionStore,
        format_name: str,
        waves: Mapping[SessionKey, Waves],
        place: Callable[[int], str],
    ) -> None:
        self.messages_expected = 0
        self.sessions_equal = 0
        self.differences: Counter[str] = Counter()
        self.examples: list[Difference] = []
        self.written_since: list[SessionKey] = []
        self.deleted_since: list[SessionKey] = []
        self.not_ours: list[SessionKey] = []
        self._store = store
        self._format_name = format_name
        self._waves = waves
        self._place = place

    async def compare(self, session: ExpectedSession) -> bool:
        """Compare one session with what the store has under its key; says whether it is there."""
        key = SessionKey(session.user_id, session.session_id)
        expected = list(session.messages)
        self.messages_expected += len(expected)
        differences_before = self.differences.total()
        try:
            header = (await self._store.read(key, HEADER_ONLY)).header()
            if not self._is_ours(header):
                self.not_ours.append(key)
                return False
            waves = self._waves.get(key)
            count = len(expected) if waves is None else header.next_seq
            stored = [message async for message in self._stored_messages(key, header, count)]
        except SessionNotFoundError:
            await self._miss(key)
            return False
        except CorruptDocumentError as error:
            self._differ(key, "session_damaged", str(error))
            return False
        first = expected
        if waves is not None:
            expected, first, stored = in_waves(expected, stored, waves)
        self._compare_messages(key, expected, stored)
        self._compare_header(key, header, session.told or {}, first)
        if header.next_seq > len(expected) and header.revision == 1:
            self._differ(
                key,
                "message_unexpected",
                f"The source has {len(expected):,} messages, the session {header.next_seq:,},"
                " and nobody has written to it.",
            )
        elif header.next_seq > len(expected) or header.changes:
            self.written_since.append(key)
        self.sessions_equal += self.differences.total() == differences_before
        return True

    def differ(self, key: SessionKey, code: str, detail: str) -> None:
        """Remember what differs beside a session."""
        self._differ(key, code, detail)

    def _compare_header(
        self,
        key: SessionKey,
        header: SessionHeader,
        told: Mapping[str, Any],
        first: list[ExpectedMessage],
    ) -> None:
        """Compare what a session says of itself, as far as its user cannot have changed it."""
        dates = [one.created_at for one in first]
        created_at = told.get("created_at") or min(dates, default=told.get("updated_at"))
        if created_at is not None and instant_text(header.created_at) != created_at:
            detail = "It was not created with its first message."
            if told.get("created_at"):
                detail = f"It has {instant_text(header.created_at)} instead of {created_at}."
            self._differ(key, "session_date_differs", detail)
        if not told:
            return
        stored = header.model_dump(mode="json")
        names = () if header.changes else TOLD_FIELDS
        wrong = [name for name in names if stored[name] != told.get(name, TOLD_FIELDS[name])]
        extras = {} if header.origin is None else header.origin.extras
        is_kept = list(extras) == ["json"] if told["extras"] is None else extras == told["extras"]
        if not is_kept:
            wrong.append("extras")
        last = told.get("updated_at") or max(dates, default=created_at)
        if header.revision == 1 and last and stored["updated_at"] != max(last, created_at or last):
            wrong.append("updated_at")
        for name in wrong:
            self._differ(key, "session_differs", f"Its {name} is not that of the source.")

    def _is_ours(self, header: SessionHeader) -> bool:
        origin = header.origin
        return (
            origin is not None
            and origin.format == self._format_name
            and origin.source_id == header.id
        )

    async def _miss(self, key: SessionKey) -> None:
        if await self._store.find_deleted([key]):
            self.deleted_since.append(key)
            return
        owners = await self._store.find_owners(key.session_id)
        detail = "The store has no such session."
        if owners:
            detail = f"The session belongs to {', '.join(map(repr, owners))} instead."
        self._differ(key, "session_missing", detail)

    async def _stored_messages(
        self, key: SessionKey, header: SessionHeader, count: int
    ) -> AsyncIterator[StoredMessage]:
        """The folded part: the first `count` places, as they were folded."""
        stop = min(count, header.next_seq)
        for start in range(0, stop, MESSAGE_PAGE_LIMIT):
            window = MessageWindow(offset=start, limit=min(MESSAGE_PAGE_LIMIT, stop - start))
            page = await self._store.list_messages(key, window)
            for message in json.loads(b"[%s]" % b",".join(page.messages_json)):
                content, metadata = message["content"], message["metadata"]
                is_past_lost = False
                if message["deleted_at"] is not None:
                    content = metadata = None
                elif message["edited_at"] is not None:
                    try:
                        past = await self._store.list_past_texts(key, message["id"])
                    except MessageNotFoundError:  # its user has deleted it at this moment
                        content = metadata = None
                    else:
                        is_past_lost = not past
                        if past:
                            content, metadata = past[0].content, past[0].metadata
                yield StoredMessage(
                    message["id"],
                    content,
                    message["created_at"],
                    message["message_type"],
                    metadata,
                    message["user_id"],
                    is_past_lost,
                )

    def _compare_messages(
        self, key: SessionKey, expected: list[ExpectedMessage], stored: list[StoredMessage]
    ) -> None:
        if len(expected) == len(stored) and digest_expected(expected, stored) == digest_stored(
            expected, stored
        ):
            pairs = list(zip(expected, stored, strict=True))
        else:
            pairs = self._matched(key, expected, stored)
        for one, other in pairs:
            for code, detail in differences_between(one, other):
                self._differ(key, code, detail, message_id=other.id, position=one.position)

    def _matched(
        self, key: SessionKey, expected: list[ExpectedMessage], stored: list[StoredMessage]
    ) -> list[tuple[ExpectedMessage, StoredMessage]]:
        """The pairs that belong together; what has no partner, or another order, differs."""
        by_id = {message.id: message for message in stored}
        made = iter([message for message in stored if message.id not in {e.id for e in expected}])
        pairs: list[tuple[ExpectedMessage, StoredMessage]] = []
        for one in expected:
            other = by_id.get(one.id) if one.id is not None else next(made, None)
            if other is None:
                detail = "The session lacks this message."
                self._differ(
                    key, "message_missing", detail, message_id=one.id, position=one.position
                )
            else:
                pairs.append((one, other))
                by_id.pop(other.id, None)
        for message in by_id.values():
            detail = "The source has no such message."
            self._differ(key, "message_unexpected", detail, message_id=message.id)
        places = {message.id: place for place, message in enumerate(stored)}
        for (_, before), (one, other) in pairwise(pairs):
            if places[before.id] > places[other.id]:
                detail = f"It must come after message {before.id!r}."
                self._differ(
                    key, "order_differs", detail, message_id=other.id, position=one.position
                )
        return pairs

    def _differ(
        self,
        key: SessionKey,
        code: str,
        detail: str,
        *,
        message_id: str | None = None,
        position: int | None = None,
    ) -> None:
        self.differences[code] += 1
        if len(self.examples) < _EXAMPLE_LIMIT:
            place = None if position is None else self._place(position)
            self.examples.append(Difference(code, *key, detail, message_id, position, place))
