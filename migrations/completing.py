"""Completing: sessions that an earlier fold has made get what they lack by now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pydantic_core import from_json

from app.domain.folding import Reason, Refusal, SourceMessage, SourceRecord
from app.domain.identity import SessionKey
from app.domain.message import EncodedMessage, unplaced_part
from app.domain.session import SessionHeader
from app.errors import MessageIdConflictError, SessionNotFoundError
from app.formats.port import Format
from app.store.port import MESSAGE_PAGE_LIMIT, MessageWindow, SessionStore
from migrations.ledger import BatchEntry, SessionRecord
from migrations.report import SessionState
from migrations.retelling import retell, retold_generation, retold_header
from migrations.spool import PART_RECORDS
from migrations.stored_batches import Account, Item
from migrations.targets import look_at_target

_Pair = tuple[EncodedMessage, SourceMessage]
"""A message with the record that it comes from."""

Newest = tuple[SessionKey, SessionRecord]
"""The session that was stored last, which may have further parts."""


@dataclass(slots=True)
class Completion:
    """A session that was there already, and what it lacks."""

    item: Item
    header: SessionHeader | None = None
    """As it was before this run; None where nothing may be stored."""
    refusal: Reason | None = None
    todo: list[_Pair] = field(default_factory=list[_Pair])
    is_retold: bool = False
    """Whether the source says something else of the session than its header."""
    is_own: bool = False
    """Whether this run has created the session."""


class Settled(NamedTuple):
    """What has become of a session that was there."""

    state: SessionState
    refused: list[SourceRecord]


class Completing:
    """Finds out what sessions that are there lack, and adds it."""

    def __init__(self, store: SessionStore, source_format: Format, run_id: str) -> None:
        self._store = store
        self._format = source_format
        self._run_id = run_id

    async def look(self, item: Item, record: SessionRecord, newest: Newest | None) -> Completion:
        """What a session that is there already lacks, if it is one of ours."""
        target, header = await look_at_target(self._store, self._format, item.key)
        todo = list(zip(item.part.messages, item.part.records, strict=True))
        if header is None:  # what is free now was there a moment ago, or had a deletion marker
            return Completion(item, refusal=Reason.DELETED_BY_USER, todo=todo)
        if target.refusal is not None:
            return Completion(item, refusal=target.refusal, todo=todo)
        if not item.is_later and record.before is None and header.generation == record.generation:
            # A session is inserted whole: this run did it, in a process that was killed then.
            return Completion(item, header, is_own=True)
        if item.is_later and _has_created(newest, item.key, header.generation):
            return Completion(item, header, todo=todo, is_own=True)
        before = record.header_before
        retold = retold_generation(self._run_id, item.key)
        if before is not None and header.generation in {before.generation, retold}:
            # What this run has begun, it does again from the same beginning, and counts it so.
            ids = set(record.message_ids)
            todo = [pair for pair in todo if pair[0].id in ids]
            return Completion(item, before, todo=todo, is_retold=_is_retold(item, before))
        todo = await self._unknown(header, todo)
        return Completion(item, header, todo=todo, is_retold=_is_retold(item, header))

    async def complete(self, completion: Completion, account: Account) -> Settled:
        """Add to an existing session what it lacks."""
        item, header, todo = completion.item, completion.header, completion.todo
        refused: list[SourceRecord] = []
        added = 0
        is_retold = False
        if header is not None:
            to_append = {record.position for _, record in todo}
            known = [one for one in item.part.all_records if one.position not in to_append]
            account.tally.count_folded(item.key, known)
            try:
                if completion.is_retold and item.part.session is not None:
                    fields = item.part.session.fields
                    is_retold = await retell(self._store, item.key, fields, self._run_id)
                while todo:
                    some_added, todo, conflicting = await self._append_some(header, todo, account)
                    added += some_added
                    refused += conflicting
            except SessionNotFoundError:
                completion.refusal = Reason.DELETED_BY_USER
        if completion.refusal is not None:
            for _, record in todo:
                account.tally.refuse(item.key, Refusal(record, completion.refusal, None))
                refused.append(record)
            if item.part.session is not None and header is None:
                for told in (item.part.session, *item.part.artifacts):
                    account.tally.refuse(item.key, Refusal(told, completion.refusal, None))
                    refused.append(told)
            state = SessionState.REFUSED
        elif completion.is_own:
            added = added or len(item.part.messages)
            state = SessionState.CREATED
        else:
            account.late += added
            account.retold += is_retold
            state = SessionState.COMPLETED if added or is_retold else SessionState.UNCHANGED
        account.messages_added += added
        return Settled(state, refused)

    async def _unknown(self, header: SessionHeader, todo: list[_Pair]) -> list[_Pair]:
        """The pairs less those that the session has as they are.

        An append finds out the same, and knows edited and deleted messages too, but takes far
        longer; this is what a repeated run does nearly all the time.
        """
        if header.next_seq > PART_RECORDS:
            return todo
        stored: set[bytes] = set()
        for start in range(0, header.next_seq, MESSAGE_PAGE_LIMIT):
            window = MessageWindow(offset=start, limit=MESSAGE_PAGE_LIMIT)
            page = await self._store.list_messages(header.key, window)
            stored.update(unplaced_part(one) for one in page.messages_json)
        return [pair for pair in todo if pair[0].unplaced_json not in stored]

    async def _append_some(
        self, header: SessionHeader, todo: list[_Pair], account: Account
    ) -> tuple[int, list[_Pair], list[SourceMessage]]:
        """Append as many as one batch takes, or find out that one cannot be.

        Returns how many were not there, what is left, and what was refused.
        """
        count = self._batch_length([message for message, _ in todo])
        messages = [message for message, _ in todo[:count]]
        at = datetime.fromisoformat(messages[-1].created_at)
        try:
            appended = await self._store.append(header.key, messages, at=at)
        except MessageIdConflictError as conflict:
            _, record = todo[conflict.index]
            account.tally.refuse(header.key, Refusal(record, Reason.CONFLICTING_ID, None))
            return 0, todo[: conflict.index] + todo[conflict.index + 1 :], [record]
        account.tally.count_folded(header.key, [record for _, record in todo[:count]])
        places = [from_json(message)["seq"] for message in appended.messages_json]
        return sum(place >= header.next_seq for place in places), todo[count:], []

    def _batch_length(self, messages: Sequence[EncodedMessage]) -> int:
        """How many of the next messages one append may take."""
        limits = self._store.limits
        size_bytes = 0
        for count, message in enumerate(messages[: limits.batch_messages]):
            size_bytes += len(message.unplaced_json)
            if count and size_bytes > limits.batch_bytes:
                return count
        return min(len(messages), limits.batch_messages)


def note_what_is_there(completions: Sequence[Completion], entry: BatchEntry) -> bool:
    """Note of sessions that will be appended to how they are; says whether there are any."""
    is_noted = False
    for completion in completions:
        if completion.header is None or not (completion.todo or completion.is_retold):
            continue
        is_noted = True
        record = entry.sessions[completion.item.key]
        ids = {*record.message_ids, *(message.id for message, _ in completion.todo)}
        members: dict[str, object] = {
            "generation": completion.header.generation,
            "message_ids": sorted(ids),
        }
        if not completion.is_own:
            is_known = record.generation == completion.header.generation
            before = record.before if is_known else None
            members["before"] = before or completion.header.model_dump(mode="json")
            members["message_count"] = 0
        entry.sessions[completion.item.key] = record.model_copy(update=members)
    return is_noted


def _is_retold(item: Item, header: SessionHeader) -> bool:
    told = item.part.session
    return told is not None and retold_header(header, told.fields) is not None


def _has_created(newest: Newest | None, key: SessionKey, generation: str) -> bool:
    if newest is None:
        return False
    newest_key, record = newest
    return (
        newest_key == key
        and record.generation == generation
        and record.state == SessionState.CREATED
    )
