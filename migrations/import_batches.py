"""Batches of an import: the records of an export, sorted out into sessions that may be stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from app.domain.folding import Reason, Refusal
from app.domain.identity import SessionKey
from app.domain.image import SessionImage
from app.domain.source_options import SourceOptions
from app.domain.source_session import SourceFields, SourceSession, source_session
from app.formats.chatfold_export import exported_image
from app.formats.faults import FaultError
from app.formats.port import RawRecord
from migrations.import_targets import Verdict
from migrations.ledger import Counts, Place
from migrations.outcomes import Outcome, Tally
from migrations.report import SessionState
from migrations.spool import SpooledFault

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_SESSIONS = 200


class ImportBatch:
    """Some records that are next to each other, and what becomes of each."""

    def __init__(self, options: SourceOptions, place: Callable[[int], str]) -> None:
        self.images: dict[SessionKey, SessionImage] = {}
        """Sessions that are to be judged, the first of each key."""
        self.outcomes: list[Outcome] = []
        self.states: Counter[SessionState] = Counter()
        self.messages_added = 0
        self.tally = Tally(self.outcomes.append, place)
        self.is_full = False
        self._told: dict[SessionKey, SourceSession] = {}
        self._options = options
        self._size_bytes = 0

    def add(self, record: RawRecord) -> None:
        """Sort a record out."""
        self._size_bytes += len(record.raw or b"")
        self.tally.read += 1
        self._sort_out(record)
        count = self.tally.read + self.tally.outside
        self.is_full = count >= _BATCH_SESSIONS or self._size_bytes >= _BATCH_BYTES

    def settle(self, key: SessionKey, verdict: Verdict) -> None:
        """Note what became of a session."""
        reason, state = verdict
        told = self._told[key]
        self.states[state] += 1
        if reason is not None:
            self.tally.refuse(key, Refusal(told, reason, None))
            return
        self.tally.count_folded(key, [told])
        if state is SessionState.CREATED:
            self.messages_added += self.images[key].header.next_seq

    def position(self, key: SessionKey) -> int:
        """Of the record of a session."""
        return self._told[key].position

    @property
    def counts(self) -> Counts:
        """All of it, once every session is settled."""
        return Counts(
            folded=self.tally.folded,
            messages_added=self.messages_added,
            reasons={str(reason): count for reason, count in self.tally.reasons.items()},
            sessions={str(state): count for state, count in self.states.items()},
        )

    @property
    def faults(self) -> list[Outcome]:
        """Of records that are no sessions."""
        return [outcome for outcome in self.outcomes if outcome.user_id is None]

    def place_after(self, before: Place) -> Place:
        """How much of the source has been dealt with after it, sessions not asked for included."""
        faults = len(self.faults)
        others = self.tally.read + self.tally.outside - faults
        return Place(faults=before.faults + faults, sessions=before.sessions + others)

    def add_to(self, tally: Tally) -> None:
        """Add its records to those of the whole source."""
        tally.read += self.tally.read
        tally.outside += self.tally.outside
        tally.take_in(self.counts, self.outcomes)

    def _sort_out(self, record: RawRecord) -> None:
        position, raw, damage = record
        if raw is None:
            reason = Reason.MALFORMED_JSON if damage else Reason.SESSION_TOO_LARGE
            self.tally.refuse_unplaced(SpooledFault(position, reason, damage or None))
            return
        try:
            image = exported_image(raw)
        except FaultError as fault:
            self.tally.refuse_unplaced(SpooledFault(position, fault.reason, fault.detail))
            return
        key = image.header.key
        wanted = self._options
        if wanted.user not in {None, key.user_id} or wanted.session not in {None, key.session_id}:
            self.tally.read -= 1
            self.tally.outside += 1
            return
        told = source_session(position, SourceFields(), 0, len(raw))
        if key in self.images:
            is_same = self.images[key] == image
            reason = Reason.EXACT_DUPLICATE if is_same else Reason.CONFLICTING_ID
            self.tally.refuse(key, Refusal(told, reason, self._told[key].position))
        else:
            self.images[key], self._told[key] = image, told


def import_batches(
    records: Iterable[RawRecord], options: SourceOptions, place: Callable[[int], str]
) -> Iterator[ImportBatch]:
    """The batches of an export; where they begin depends only on where the one before ends."""
    batch: ImportBatch | None = None
    for record in records:
        batch = batch or ImportBatch(options, place)
        batch.add(record)
        if batch.is_full:
            yield batch
            batch = None
    if batch is not None:
        yield batch
