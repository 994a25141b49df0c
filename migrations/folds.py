"""From a source to folded sessions: what plan and run share, so that they cannot disagree."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from app.domain.folding import FoldedPart, Reason, SessionFold, SourceMessage
from app.domain.identity import SessionKey
from app.domain.message import EncodedMessage
from app.formats.line_source import LineSource
from app.progress import Progress
from migrations.decoding import Chunk, decoded_chunks
from migrations.job import Job
from migrations.outcomes import Tally
from migrations.spool import PART_RECORDS, Spool

_SAMPLE_SESSIONS = 2
_SAMPLE_RECORDS = 2


class Part(NamedTuple):
    """Some messages of a session, in order, with the records that they come from; at least one."""

    messages: Sequence[EncodedMessage]
    records: Sequence[SourceMessage]


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
            for batch in chunk.batches
            for position in batch.first_positions
        )
        lines = dict(chunk.lines)
        for position, session_id in placed:
            raw = lines[position] or b""
            if session_id in self.records:
                if len(self.records[session_id]) < _SAMPLE_RECORDS:
                    self.records[session_id].append(raw)
            elif len(self.records) < _SAMPLE_SESSIONS:
                self.records[session_id] = [raw]


async def read_source(
    job: Job,
    source: LineSource,
    spool: Spool,
    tally: Tally,
    progress: Progress,
    sample: SourceSample | None = None,
) -> None:
    """Spool every record of the source that can be placed, and count the others.

    Raises:
        SourceError: the source cannot be read to its end.
    """
    progress.begin("reading", source.size_bytes)
    with closing(decoded_chunks(job.format, source)) as chunks:
        for chunk in chunks:
            tally.read += len(chunk.lines)
            for fault in chunk.faults:
                tally.refuse_faulty(fault)
            for batch in chunk.batches:
                spool.add(batch)
            if sample is not None:
                sample.offer(chunk)
            progress.advance(source.bytes_read, tally.read)
            await asyncio.sleep(0)  # where an interruption can take effect
    spool.assign_users()
    for session_id, user_count, message in spool.ownerless():
        reason = Reason.USER_AMBIGUOUS if user_count else Reason.USER_UNKNOWN
        tally.refuse_ownerless(session_id, message, reason)


def folded_sessions(
    spool: Spool, tally: Tally, *, message_limit_bytes: int, part_records: int = PART_RECORDS
) -> Iterator[PartedSession]:
    """Every session that the spooled records make; what they refuse is counted on the way."""
    for key, records in spool.sessions():
        fold = SessionFold(key, message_limit_bytes=message_limit_bytes)
        yield PartedSession(key, _parts(key, fold, records, tally, part_records))


def _parts(
    key: SessionKey,
    fold: SessionFold,
    records: Iterator[SourceMessage],
    tally: Tally,
    part_records: int,
) -> Iterator[Part]:
    while some := list(islice(records, part_records)):
        part: FoldedPart = fold.fold(some)
        for refusal in part.refusals:
            tally.refuse(key, refusal)
        if part.messages:
            yield Part(part.messages, part.records)
