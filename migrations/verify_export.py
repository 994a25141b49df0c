"""Verifying an import: every session of an export against what a store exports, value by value."""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from time import monotonic
from typing import Any, cast

from app.domain.identity import SessionKey
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import CorruptDocumentError, SessionNotFoundError
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.expected_source import opened
from migrations.verify_report import Difference, VerifyReport

_EXAMPLE_LIMIT = 1000


async def verify_export(
    job_name: str,
    location: str,
    store: SessionStore,
    *,
    options: SourceOptions = AS_IT_IS,
    progress: Progress | None = None,
) -> VerifyReport:
    """Compare every session of an export with what the store has.

    One that was written to since must still have all messages of the export at their places.

    Raises:
        SourceError: the export cannot be read.
        StoreError: the store cannot be read at all.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    comparison = _Comparison(store)
    with opened(location, options) as source:
        progress.begin("comparing", source.size_bytes)
        for position, raw in islice(source.records, options.limit):
            comparison.records_read += 1
            document = None if raw is None else _document(raw)
            if document is not None and _is_wanted(document, options):
                await comparison.compare(document, f"{source.word} {position}", position)
            progress.advance(source.bytes_read(), comparison.records_read)
        name, word = source.name, source.word
    return VerifyReport(
        job=job_name,
        source=name,
        record_word=word,
        seconds=monotonic() - began_at_seconds,
        records_read=comparison.records_read,
        sessions_expected=len(comparison.seen),
        messages_expected=comparison.messages_expected,
        sessions_equal=comparison.sessions_equal,
        differences=dict(sorted(comparison.differences.items())),
        examples=comparison.examples,
        written_since=comparison.written_since,
        deleted_since=comparison.deleted_since,
        not_ours=comparison.not_ours,
    )


def _document(raw: bytes) -> Mapping[str, Any] | None:
    """What a record says; None where it is no session."""
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    session = cast("dict[str, Any]", document)
    needed = {"id": str, "user_id": str, "generation": str, "revision": int, "messages": list}
    if not all(isinstance(session.get(name), kind) for name, kind in needed.items()):
        return None
    return session


def _is_wanted(document: Mapping[str, Any], options: SourceOptions) -> bool:
    return options.user in {None, document["user_id"]} and options.session in {
        None,
        document["id"],
    }


class _Comparison:
    """Compares one session after the other and remembers what differs."""

    def __init__(self, store: SessionStore) -> None:
        self.records_read = 0
        self.messages_expected = 0
        self.sessions_equal = 0
        self.seen: set[SessionKey] = set()
        self.differences: Counter[str] = Counter()
        self.examples: list[Difference] = []
        self.written_since: list[dict[str, str]] = []
        self.deleted_since: list[dict[str, str]] = []
        self.not_ours: list[dict[str, str]] = []
        self._store = store

    async def compare(self, document: Mapping[str, Any], place: str, position: int) -> None:
        """Compare one session with what the store has under its key; only the first of a key."""
        key = SessionKey(document["user_id"], document["id"])
        if key in self.seen:
            return
        self.seen.add(key)
        self.messages_expected += len(document["messages"])
        named = {"user_id": key.user_id, "session_id": key.session_id}
        try:
            stored = json.loads((await self._store.read(key)).to_json())
        except SessionNotFoundError:
            if await self._store.find_deleted([key]):
                self.deleted_since.append(named)
            else:
                detail = "The store has no such session."
                self._differ(Difference("session_missing", *key, detail, None, position, place))
            return
        except CorruptDocumentError as error:
            self._differ(Difference("session_damaged", *key, str(error), None, position, place))
            return
        if stored["generation"] != document["generation"]:
            self.not_ours.append(named)
        elif stored["revision"] > document["revision"]:
            self.written_since.append(named)
            self._compare_places(key, document, stored, place, position)
        elif _text(stored) != _text(document):
            wrong = [name for name in {**document, **stored} if _differs(name, document, stored)]
            detail = f"Not as exported: {', '.join(sorted(wrong))}."
            self._differ(Difference("session_differs", *key, detail, None, position, place))
        else:
            self.sessions_equal += 1

    def _compare_places(
        self,
        key: SessionKey,
        document: Mapping[str, Any],
        stored: Mapping[str, Any],
        place: str,
        position: int,
    ) -> None:
        """Of a session that goes on, ids and places stay, whatever became of the messages."""
        ids = [message.get("id") for message in document["messages"]]
        if [message["id"] for message in stored["messages"][: len(ids)]] != ids:
            detail = "Its first messages are not those of the export."
            self._differ(Difference("order_differs", *key, detail, None, position, place))
        else:
            self.sessions_equal += 1

    def _differ(self, difference: Difference) -> None:
        self.differences[difference.code] += 1
        if len(self.examples) < _EXAMPLE_LIMIT:
            self.examples.append(difference)


def _differs(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return name not in one or name not in other or _text(one[name]) != _text(other[name])


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
