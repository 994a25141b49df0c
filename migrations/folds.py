"""From a source to folded sessions: what plan and run share, so that they cannot disagree."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from app.domain.artifact_chains import distinct_artifacts
from app.domain.folding import (
    FoldedPart,
    Reason,
    Refusal,
    SessionFold,
    SourceMessage,
    SourceRecord,
    told_first,
)
from app.domain.identity import SessionKey
from app.domain.limits import StoreLimits
from app.domain.message import EncodedMessage
from app.domain.projecting import in_its_project
from app.domain.source_session import SourceSession
from app.formats.port import Source
from app.progress import Progress
from migrations.decoding import Chunk, Decoder, decoded_chunks
from migrations.job import Job
from migrations.outcomes import Tally
from migrations.spool import PART_RECORDS, Spool, SpooledFault

_SAMPLE_SESSIONS = 2
_SAMPLE_RECORDS = 2
_HEADER_LIMIT_BYTES = StoreLimits().header_bytes


class Part(NamedTuple):
    """Some messages of a session, in order, with the records that they come from."""

    messages: Sequence[EncodedMessage]
    records: Sequence[SourceMessage]
    session: SourceSession | None = None
    """What the source says of the session itself; in its first part only."""
    artifacts: Sequence[SourceSession] = ()
    """What it says of its artifacts; with the session."""
    refusals: Sequence[Refusal] = ()
    """Of records that come before those of the next part."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store; then there are refusals."""
        return not self.messages and self.session is None

    @property
    def all_records(self) -> Sequence[SourceRecord]:
        """Those of the messages, and those of the session and its artifacts."""
        if self.session is None:
            return self.records
        return (self.session, *self.artifacts, *self.records)


class PartedSession(NamedTuple):
    """A session as it will be stored; to be read before the next one is asked for."""

    key: SessionKey
    parts: Iterator[Part]


class SourceSample:
    """The first records of the first sessions of a source, as they came."""

    def __init__(self) -> None:
        self.records: dict[str, list[bytes]] = {}

    def offer(self, chunk: Chunk) -> None:
        """Keep those records that belong to the sample."""
        placed = sorted(
            (position, batch.session_id)
            for batch in chunk.decoded.batches
            for position in batch.first_positions
        )
        positions = [one.position for one in chunk.raw_records]
        for position, session_id in placed:
            # A record may be a part of a raw one, and comes behind that one's position then.
            raw = chunk.raw_records[bisect_right(positions, position) - 1].raw or b""
            if session_id in self.records:
                kept = self.records[session_id]
                if len(kept) < _SAMPLE_RECORDS and raw is not kept[-1]:  # it may hold several
                    kept.append(raw)
            elif len(self.records) < _SAMPLE_SESSIONS:
                self.records[session_id] = [raw]


async def read_source(
    job: Job,
    source: Source,
    spool: Spool,
    tally: Tally,
    progress: Progress,
    sample: SourceSample | None = None,
    *,
    workers: int = 2,
) -> None:
    """Spool every record of the source.

    Raises:
        SourceError: the source cannot be read to its end.
    """
    progress.begin("reading", source.size_bytes)
    tally.place = source.place
    decoder = Decoder(job.format, source.notation, job.options)
    raw_records = islice(source, job.options.limit)
    with closing(decoded_chunks(decoder, raw_records, workers=workers)) as chunks:
        for chunk in chunks:
            decoded = chunk.decoded
            tally.read += decoded.record_count
            tally.outside += decoded.outside
            for fault in decoded.faults:
                spool.refuse(SpooledFault(*fault))
            for batch in decoded.batches:
                spool.add(batch)
            for told in decoded.sessions:
                spool.tell(told)
            if sample is not None:
                sample.offer(chunk)
            progress.advance(source.bytes_read, tally.read)
            await asyncio.sleep(0)  # where an interruption can take effect
    outside = spool.assign_users(job.options)
    tally.read -= outside
    tally.outside += outside
    for session_id, user_count, record in spool.ownerless():
        reason = Reason.USER_AMBIGUOUS if user_count else Reason.USER_UNKNOWN
        spool.refuse(SpooledFault(record.position, reason, None, session_id, record.id or None))


def folded_sessions(
    spool: Spool,
    *,
    message_limit_bytes: int,
    header_limit_bytes: int = _HEADER_LIMIT_BYTES,
    part_records: int = PART_RECORDS,
    makes_projects: bool = False,
) -> Iterator[PartedSession]:
    """Every session that the spooled records make; each has at least one part."""
    for key, told, records in spool.sessions():
        fold = SessionFold(key, message_limit_bytes=message_limit_bytes)
        if makes_projects:
            parts = _project_parts(fold, key, list(told), records, header_limit_bytes, part_records)
        else:
            session, refusals = told_first(key, told, header_limit_bytes=header_limit_bytes)
            parts = _parts(fold, session, records, refusals, part_records)
        yield PartedSession(key, parts)


def _project_parts(
    fold: SessionFold,
    key: SessionKey,
    told: Sequence[SourceSession],
    records: Iterator[SourceMessage],
    header_limit_bytes: int,
    part_records: int,
) -> Iterator[Part]:
    """The parts of a session that becomes a project; nothing of one that is not told of itself."""
    of_session = (one for one in told if not one.artifact_json)
    session, refusals = told_first(key, of_session, header_limit_bytes=header_limit_bytes)
    artifacts, repeated = distinct_artifacts(one for one in told if one.artifact_json)
    refusals += repeated
    if session is not None:
        session = in_its_project(key, session)
        yield from _parts(fold, session, records, refusals, part_records, artifacts)
        return
    refusals += [Refusal(one, Reason.SESSION_MISSING, None) for one in artifacts]
    while some := [
        Refusal(record, Reason.SESSION_MISSING, None) for record in islice(records, part_records)
    ]:
        yield Part((), (), refusals=[*refusals, *some])
        refusals = []
    if refusals:
        yield Part((), (), refusals=refusals)


def _parts(
    fold: SessionFold,
    session: SourceSession | None,
    records: Iterator[SourceMessage],
    refusals: list[Refusal],
    part_records: int,
    artifacts: Sequence[SourceSession] = (),
) -> Iterator[Part]:
    while some := list(islice(records, part_records)):
        part: FoldedPart = fold.fold(some)
        yield Part(
            part.messages,
            part.records,
            session if part.messages else None,
            artifacts if part.messages else (),
            [*refusals, *part.refusals],
        )
        refusals = []
        if part.messages:
            session, artifacts = None, ()
    if session is not None and not session.fields.has_date:
        refusals.append(Refusal(session, Reason.MISSING_CREATED_AT, None))
        refusals += [Refusal(one, Reason.SESSION_MISSING, None) for one in artifacts]
        session = None
    if session is not None or refusals:
        yield Part((), (), session, () if session is None else artifacts, refusals)
