"""FinishedCollection: a live collection loses what is folded, or its name, and gets it back."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from app.errors import RunStateError
from app.formats.bson_framing import BSONFraming
from app.formats.collection_source import CollectionSource
from app.formats.emptied_collection import EmptiedCollection
from app.formats.file_source import RECORD_LIMIT_BYTES
from app.formats.port import Format, RawRecord
from migrations.backups import is_backup_of, unzipped, written_backup
from migrations.durable_files import Steps, errors_named
from migrations.finish_record import FinishManner, FinishRecord
from migrations.removable import Removable
from migrations.spool import spool_path

_DOCUMENTS_AT_A_TIME = 500


class FinishedCollection:
    """The collection of one run, until its end.

    What is to be removed is kept in a file first, also where no backup is wanted: who goes on after
    a kill must know it.

    Raises:
        SourceError: the server cannot be reached, or refuses; from every method.
        MigrationError: the file system refuses something.
    """

    original = None
    """There is no file."""

    def __init__(self, source: CollectionSource, run_id: str) -> None:
        self.location = source.name
        self.records_removed = 0
        self.records_left = 0
        self.backup: Path | None = None
        self.backup_sha256: str | None = None
        # Not every server that speaks the protocol takes a dot in a name.
        self.aside = f"{source.collection_name}_migrated_{run_id}"
        self._source = source
        self._run_id = run_id

    def prepare(
        self,
        format_: Format,
        removable: Removable,
        manner: FinishManner,
        backup_folder: Path | None,
        *,
        is_dry: bool,
    ) -> Steps[None]:
        """Look at every document, and keep those that are to be removed in a file.

        Raises:
            RunStateError: the collection is not what the ledger tells of.
        """
        with self._source:
            going = self._going(format_, removable)
            if is_dry or manner is not FinishManner.REMOVE:
                for raw in going:
                    yield len(raw)
            else:
                backup = _backup_path(self._run_id, self.aside, backup_folder)
                with errors_named(backup):
                    self.backup_sha256 = yield from written_backup(backup, going)
                self.backup = backup
        removable.check()

    def _going(self, format_: Format, removable: Removable) -> Iterator[bytes]:
        for record in self._source:
            if self._must_stay(record, format_, removable):
                self.records_left += 1
            else:
                self.records_removed += 1
                yield record.raw or b""

    def _must_stay(self, record: RawRecord, format_: Format, removable: Removable) -> bool:
        return removable.stays(record, format_, self._source.notation)


def empty_collection(record: FinishRecord, location: str) -> Steps[int]:
    """Do with the collection what the record says, or the rest of it; returns how many stay.

    Those are documents that were changed since they were looked at.
    """
    stay = 0
    with EmptiedCollection(location) as collection:
        name = collection.collection_name
        if record.manner is FinishManner.RENAME and record.aside is not None:
            if collection.is_there(name) or not collection.is_there(record.aside):
                collection.rename(name, record.aside)
            return 0
        for documents in _batches(record):
            stay += collection.remove(documents)
            yield sum(map(len, documents))
    return stay


def restore_collection(record: FinishRecord, location: str, *, is_dry: bool) -> Steps[None]:
    """Give the collection back what it has lost; what is new in it stays.

    Raises:
        RunStateError: nothing has it any more, or something else has its name.
    """
    with EmptiedCollection(location) as collection:
        name = collection.collection_name
        if record.manner is FinishManner.RENAME and record.aside is not None:
            if not collection.is_there(record.aside):
                return
            if collection.is_there(name):
                raise RunStateError(
                    f"There is a new collection {name} in the place of the old one;"
                    " give it another name, then roll back again."
                )
            if not is_dry:
                collection.rename(record.aside, name)
            return
        for documents in _batches(record):
            if not is_dry:
                collection.restore(documents)
            yield sum(map(len, documents))


def without_kept(record: FinishRecord, run_id: str) -> FinishRecord:
    """The record without what is kept only until the end."""
    if record.backup != str(_kept_path(run_id)):
        return record
    return record.model_copy(update={"backup": None, "backup_sha256": None})


def drop_kept(run_id: str) -> None:
    """Remove what was kept, once the ledger says that the end has come."""
    _kept_path(run_id).unlink(missing_ok=True)


def _batches(record: FinishRecord) -> Iterator[list[bytes]]:
    """What was removed, some hundreds at a time."""
    if record.manner is not FinishManner.REMOVE:
        return
    if record.backup is None:
        raise RunStateError(f"Nothing has what {record.location} was: there is no backup.")
    backup = Path(record.backup)
    if not is_backup_of(backup, record.backup_sha256):
        raise RunStateError(f"Nothing has what {record.location} was: {backup} is gone or damaged.")
    records = BSONFraming(RECORD_LIMIT_BYTES).records(unzipped(backup))
    while documents := [one.raw for one in islice(records, _DOCUMENTS_AT_A_TIME) if one.raw]:
        yield documents


def _backup_path(run_id: str, aside: str, folder: Path | None) -> Path:
    return _kept_path(run_id) if folder is None else folder.resolve() / f"{aside}.bson.gz"


def _kept_path(run_id: str) -> Path:
    return spool_path(run_id).with_suffix(".bson.gz")
