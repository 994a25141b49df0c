"""Verify: compares source and store by a way of its own, without the code that folds."""

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from itertools import pairwise
from time import monotonic
from typing import Any, NamedTuple

from app.domain.identity import SessionKey
from app.domain.instants import instant_text
from app.domain.session import SessionHeader
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import CorruptDocumentError, MessageNotFoundError, SessionNotFoundError
from app.progress import Progress, SilentProgress
from app.store.port import HEADER_ONLY, MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.expected import ExpectedMessage, ExpectedSession, ExpectedSessions
from migrations.expected_readers import READERS
from migrations.expected_record import KEPT_NAME
from migrations.expected_session import TOLD_FIELDS
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
        for done, session in enumerate(expected.sessions(), start=1):
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
    )


def named(key: SessionKey) -> dict[str, str]:
    """A key by its members' names."""
    return {"user_id": key.user_id, "session_id": key.session_id}


class _StoredMessage(NamedTuple):
    """A message of the store, as it was before its user changed it."""

    id: str
    content: str | None
    """None: its user deleted it."""
    created_at: str
    message_type: str
    metadata: Mapping[str, Any] | None
    author: str | None
    is_past_lost: bool
    """Whether it was edited and the store does not know what it said before, as after an import of
    an export; then this is what it says now."""


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

    async def compare(self, session: ExpectedSession) -> None:
        """Compare one session with what the store has under its key."""
        key = SessionKey(session.user_id, session.session_id)
        expected = list(session.messages)
        self.messages_expected += len(expected)
        differences_before = self.differences.total()
        try:
            header = (await self._store.read(key, HEADER_ONLY)).header()
            if not self._is_ours(header):
                self.not_ours.append(key)
                return
            waves = self._waves.get(key)
            count = len(expected) if waves is None else header.next_seq
            stored = [message async for message in self._stored_messages(key, header, count)]
        except SessionNotFoundError:
            await self._miss(key)
            return
        except CorruptDocumentError as error:
            self._differ(key, "session_damaged", str(error))
            return
        first = expected
        if waves is not None:
            expected, first, stored = _in_waves(expected, stored, waves)
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
    ) -> AsyncIterator[_StoredMessage]:
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
                yield _StoredMessage(
                    message["id"],
                    content,
                    message["created_at"],
                    message["message_type"],
                    metadata,
                    message["user_id"],
                    is_past_lost,
                )

    def _compare_messages(
        self, key: SessionKey, expected: list[ExpectedMessage], stored: list[_StoredMessage]
    ) -> None:
        if len(expected) == len(stored) and _digest_expected(expected, stored) == _digest_stored(
            expected, stored
        ):
            pairs = list(zip(expected, stored, strict=True))
        else:
            pairs = self._matched(key, expected, stored)
        for one, other in pairs:
            for code, detail in _differences(one, other):
                self._differ(key, code, detail, message_id=other.id, position=one.position)

    def _matched(
        self, key: SessionKey, expected: list[ExpectedMessage], stored: list[_StoredMessage]
    ) -> list[tuple[ExpectedMessage, _StoredMessage]]:
        """The pairs that belong together; what has no partner, or another order, differs."""
        by_id = {message.id: message for message in stored}
        made = iter([message for message in stored if message.id not in {e.id for e in expected}])
        pairs: list[tuple[ExpectedMessage, _StoredMessage]] = []
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


def _in_waves(
    expected: list[ExpectedMessage], stored: list[_StoredMessage], waves: Waves
) -> tuple[list[ExpectedMessage], list[ExpectedMessage], list[_StoredMessage]]:
    """What is expected in the order in which it came, its first wave, and the folded messages.

    Between the waves there may be what users have written.
    """
    places = {message.id: place for place, message in enumerate(stored)}
    nameless: dict[tuple[str | None, str], list[int]] = {}
    named_ids = {one.id for one in expected if one.id is not None}
    for place, message in enumerate(stored):
        if message.id not in named_ids:
            nameless.setdefault((message.content, message.created_at), []).append(place)
    by_wave: list[list[ExpectedMessage]] = [[] for _ in range(len(waves.begins) + 1)]
    found: set[int] = set()
    for one in expected:
        same = nameless.get((one.content, one.created_at))
        at_place = places.get(one.id) if one.id is not None else same.pop(0) if same else None
        by_wave[-1 if at_place is None else bisect_right(waves.begins, at_place)].append(one)
        if at_place is not None:
            found.add(at_place)
    folded = [
        message
        for place, message in enumerate(stored)
        if place < waves.first_count or place in found
    ]
    return [one for wave in by_wave for one in wave], by_wave[0], folded


def _differences(one: ExpectedMessage, other: _StoredMessage) -> list[tuple[str, str]]:
    """What differs between a message and its record; codes with sentences."""
    found: list[tuple[str, str]] = []
    if other.content is not None and other.content != one.content:
        found.append(("content_differs", "Its text is not that of the source."))
    if other.created_at != one.created_at:
        found.append(("date_differs", f"It has {other.created_at} instead of {one.created_at}."))
    if other.message_type != one.message_type:
        found.append(
            ("type_differs", f"It is {other.message_type!r} instead of {one.message_type!r}.")
        )
    if other.metadata is not None and not _is_metadata(one.metadata, other.metadata):
        found.append(("metadata_differs", "Its metadata is not that of the source."))
    if other.author is not None:
        found.append(("author_differs", "It has an author that the source does not name."))
    if other.is_past_lost and {"content_differs", "metadata_differs"} & {code for code, _ in found}:
        detail = "It was edited, and the store does not know what it said before."
        found.append(("history_missing", detail))
    return found


def _is_metadata(expected: str | None, stored: Mapping[str, Any]) -> bool:
    if expected is None:
        return KEPT_NAME in stored
    written = json.dumps(stored, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return written == expected


def _digest_expected(expected: list[ExpectedMessage], stored: list[_StoredMessage]) -> str:
    """Of the source's ids and texts; what it has no id for, takes that of the store."""
    digest = hashlib.sha256()
    for one, other in zip(expected, stored, strict=True):
        digest.update(_netstring(one.id or other.id) + _netstring(one.content))
    return digest.hexdigest()


def _digest_stored(expected: list[ExpectedMessage], stored: list[_StoredMessage]) -> str:
    """Of the store's ids and texts; what its user deleted counts as it was."""
    digest = hashlib.sha256()
    for one, other in zip(expected, stored, strict=True):
        content = one.content if other.content is None else other.content
        digest.update(_netstring(other.id) + _netstring(content))
    return digest.hexdigest()


def _netstring(text: str) -> bytes:
    encoded = text.encode()
    return b"%d:%s," % (len(encoded), encoded)
