"""group-messages: individual message documents become the sessions that they name.

A session is the messages with one (`user_id`, `session_id`), by `created_at` as an instant, then
by id.
"""

from pathlib import Path

from app.domain.container_address import is_container
from app.domain.source_options import SourceOptions
from app.formats.collection_source import CollectionSource, is_collection
from app.formats.cosmos_source import CosmosSource
from app.formats.file_source import FileSource
from app.formats.message_documents import MessageDocuments
from app.formats.port import Source
from app.settings import StoreSettings
from migrations.job import Job


def _source(location: str, options: SourceOptions) -> Source:
    if is_collection(location):
        return CollectionSource(location, options)
    if is_container(location):
        return CosmosSource(location, options, key=StoreSettings.read().cosmos_key)
    return FileSource(Path(location))


GROUP_MESSAGES = Job(
    name="group-messages",
    summary="Fold individual message documents into the sessions that they name.",
    make_format=MessageDocuments,
    open_source=_source,
)
