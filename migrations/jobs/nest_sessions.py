"""nest-sessions: folders of JSON files, one per session, become sessions; flat or in projects."""

from pathlib import Path

from app.domain.source_options import SourceOptions
from app.formats.json_tree import JSONTree
from app.formats.port import Source
from app.formats.tree_source import TreeSource
from migrations.job import Job


def _source(location: str, _options: SourceOptions) -> Source:
    return TreeSource(Path(location))


NEST_SESSIONS = Job(
    name="nest-sessions",
    summary="Fold trees of JSON files into sessions; nest flat ones on disk; write trees.",
    make_format=JSONTree,
    open_source=_source,
    reads_folder=True,
)
