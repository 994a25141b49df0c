"""Migrations as operators meet them: what is to be done, how far it is, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.source_options import AS_IT_IS, SourceOptions


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A named migration."""

    name: str
    summary: str
    reads_folder: bool
    """Whether its source is a folder, and not a file or a collection."""


@dataclass(frozen=True, slots=True)
class FoldOrder:
    """Which job is to fold what."""

    job: str
    source: str
    options: SourceOptions = AS_IT_IS
    max_rate: float | None = None
    """No more messages are stored in a second than this."""
    takes_over: bool = False
    """Whether to go on with a run though another process may be at work on it."""


@dataclass(frozen=True, slots=True)
class RollbackOrder:
    """Which run is to be undone."""

    run_id: str
    source: str | None = None
    """Where the source of a finished run is, if the ledger cannot say it."""
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class FinishOrder:
    """Of which run the source is no longer needed, and what becomes of it."""

    run_id: str
    source: str
    manner: str
    """`rename`, `remove` or `mark`."""
    has_backup: bool = True
    backup_folder: str | None = None
    """By default that of the source, where it is a file."""
    takes_over: bool = False


@dataclass(frozen=True, slots=True)
class RunOverview:
    """How far a run is, as its ledger says at a glance."""

    run_id: str
    job: str
    source: str
    state: str
    is_at_work: bool
    """Whether a process works on it, or may on another machine."""
    is_interrupted: bool
    """Whether nobody does, though it is not at its end."""
    began_at: datetime
    ended_at: datetime | None
    seconds: float
    records_read: int | None
    """None as long as the source has not been read to its end."""
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far a piece of work is."""

    phase: str
    done: int
    total: int | None
    """In the measure of `done`, where it is known."""
    records: int
    records_per_second: int | None = None
    remaining_seconds: float | None = None


class WorkOutcome(StrEnum):
    """How a piece of work ended."""

    DONE = "done"
    STOPPED = "stopped"
    """What is stored is whole, and the same order goes on from there."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Whatever it was, it cannot be told now; ask again."""


@dataclass(frozen=True, slots=True)
class WorkEnd:
    """The end of a piece of work."""

    outcome: WorkOutcome
    report: Mapping[str, Any] | None = None
    """As the command line gives it with `--json`."""
    reason: str | None = None
    """Why it failed, or cannot be told, in a sentence."""
    code: str | None = None
    """The same for programs, as problems have it."""


WorkEvent = WorkProgress | WorkEnd
