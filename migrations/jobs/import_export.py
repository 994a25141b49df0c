"""import-export: sessions of Chatfold's own export come into a store as they were."""

from pathlib import Path

from app.domain.source_options import SourceOptions
from app.formats.chatfold_export import ChatfoldExport
from app.formats.file_source import FileSource
from app.formats.port import Source
from migrations.job import Job

_SESSION_LIMIT_BYTES = 256 * 1024 * 1024


def _source(location: str, _options: SourceOptions) -> Source:
    return FileSource(Path(location), record_limit_bytes=_SESSION_LIMIT_BYTES)


IMPORT_EXPORT = Job(
    name="import-export",
    summary="Put sessions of Chatfold's own export into a store, as they were.",
    make_format=ChatfoldExport,
    open_source=_source,
)
