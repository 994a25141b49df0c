"""FinishRecord: what the ledger says of the end of a source: what it was, and what became of it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from app.domain.instants import Instant
from migrations.ledger import RunRecord, RunState


class FinishManner(StrEnum):
    """What becomes of a source once its records are sessions."""

    RENAME = "rename"
    """It gets another name beside the old one, whole."""
    REMOVE = "remove"
    """What was folded leaves it; rejected records and the like stay in it."""
    MARK = "mark"
    """It stays as it is; a note beside it says that it was folded."""


class FinishStage(StrEnum):
    """How far a finish is."""

    BEGUN = "begun"
    """Nothing of the source was touched; beside it may lie what will take its place."""
    READY = "ready"
    """The backup is kept and proven; the source may have been changed or not."""
    DONE = "done"
    RESTORED = "restored"
    """The source is again what it was before."""


class OriginalFile(BaseModel):
    """A file as it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    size_bytes: int
    modified_nanoseconds: int
    mode: int
    left_sha256: str | None = None
    """Of what stays in its place; None where nothing does."""


class FinishRecord(BaseModel):
    """Written before anything of the source is touched, so that whoever comes next can go on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manner: FinishManner
    stage: FinishStage
    at: Instant
    location: str
    """As it may be shown; of a file or a folder, its whole path."""
    records_removed: int = 0
    """From the place where they were; of the source's records, which may hold several messages."""
    records_left: int = 0
    backup: str | None = None
    """The file that has the source as it was, gzipped; of a collection or a tree, what left it."""
    backup_sha256: str | None = None
    """Of what is in it."""
    aside: str | None = None
    """Where the source is now, or the note that was put beside it; of a collection, its name."""
    file: OriginalFile | None = None
    """Where the source is a file, once it is ready."""
    list_sha256: str | None = None
    """Where it is a tree, once it is ready: of the list of the sessions that leave it."""


def is_at_its_end(record: RunRecord) -> bool:
    """Whether a run, or its finish or rollback, leaves nothing half done.

    A finish leaves the state of the run as it is until it has ended.
    """
    if record.state in {RunState.RUNNING, RunState.ROLLING_BACK}:
        return False
    if record.state is not RunState.DONE or record.finish is None:
        return True
    stage = FinishRecord.model_validate(record.finish).stage
    return stage not in {FinishStage.BEGUN, FinishStage.READY}
