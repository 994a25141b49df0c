"""Removable: the records that a run has dealt with without loss, and whether a source has them."""

import hashlib

from app.domain.folding import Reason
from app.errors import RunStateError
from app.formats.port import FaultyRecord, Format, Notation, RawRecord, Record
from migrations.ledger import BatchEntry, BatchState, RunLedger
from migrations.outcomes import Outcome
from migrations.positions import Positions

_CHECK_BYTES = 16
_CHECKS = 1 << 8 * _CHECK_BYTES


class Removable:
    """Records that are messages or sessions of the store now, or exact duplicates of such."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._positions = Positions()
        self._check = 0
        # What a source has of them, as far as it was looked at:
        self._seen_count = 0
        self._seen_check = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._positions)

    def take_in(self, entry: BatchEntry) -> None:
        """Add those of a batch.

        Raises:
            RunStateError: the ledger does not fit together.
        """
        if entry.record.state is not BatchState.DONE:
            raise RunStateError(f"Batch {entry.number} of run {self._run_id} is not done.")
        for key, session in entry.sessions.items():
            outcomes = (Outcome.of_members(members) for members in session.outcomes)
            duplicates = (one.position for one in outcomes if one.code == Reason.EXACT_DUPLICATE)
            for position in (*session.folded, *duplicates):
                if not self._positions.add(position):
                    raise RunStateError(
                        f"The ledger of run {self._run_id} tells of record {position} twice."
                    )
                self._check = (self._check + _check(position, key.session_id)) % _CHECKS

    def stays(self, record: RawRecord, format_: Format, notation: Notation) -> bool:
        """Whether a record of the source must stay; one that holds several goes with all of them.

        What it says is looked at, so that `check` can tell whether these are the right ones.
        """
        must_stay = False
        for one in format_.records([record], notation):
            position = one.message.position if isinstance(one, Record) else one.position
            if position not in self._positions:
                must_stay = True
            elif not isinstance(one, FaultyRecord):
                self._seen_count += 1
                check = _check(position, one.session_id)
                self._seen_check = (self._seen_check + check) % _CHECKS
        return must_stay

    def check(self) -> None:
        """Pass if the source that was looked at has every one of them, where the ledger says.

        Raises:
            RunStateError: it has not; nothing may be removed.
        """
        if (self._seen_count, self._seen_check) != (len(self), self._check):
            raise RunStateError(
                f"The source does not have what the ledger of run {self._run_id} says:"
                f" of {len(self):,} records that were folded it has {self._seen_count:,},"
                " or they are of other sessions. Nothing was removed."
            )


def _check(position: int, session_id: str) -> int:
    """A number whose sum over all records tells whether two sides have the same ones.

    A sum depends on no order: the ledger goes by sessions, the source by positions.
    """
    told = b"%d:%b" % (position, session_id.encode())
    return int.from_bytes(hashlib.blake2b(told, digest_size=_CHECK_BYTES).digest(), "big")


async def removable_records(ledger: RunLedger) -> Removable:
    """Those of a run, from its ledger.

    Raises:
        RunStateError: a batch is not done, or the ledger does not fit together.
    """
    removable = Removable(ledger.run_id)
    async for entry in ledger.batches():
        removable.take_in(entry)
    return removable
