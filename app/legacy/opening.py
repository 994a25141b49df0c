"""Opening: from what an operator names as sources that are still in use to sources that answer."""

import logging
from collections.abc import Sequence
from pathlib import Path

from app.domain.container_address import is_container
from app.domain.limits import StoreLimits
from app.errors import ConfigurationError, LegacySourceUnavailableError
from app.formats.collection_source import is_collection
from app.formats.message_documents import MessageDocuments
from app.legacy.indexed_file import IndexedFile
from app.legacy.legacy_format import FORMATS
from app.legacy.port import LegacySource
from app.legacy.queried_collection import QueriedCollection

_log = logging.getLogger(__name__)


def named_source(description: str, limits: StoreLimits) -> LegacySource:
    """The source of a `format=location`; nothing is read yet.

    Raises:
        ConfigurationError: there can be no such source.
    """
    format_name, _, location = description.partition("=")
    source_format = FORMATS.get(format_name)
    if source_format is None or not location:
        known = ", ".join(f"{name}=…" for name in FORMATS)
        raise ConfigurationError(f"CHATFOLD_LEGACY_SOURCES lists sources as {known}.")
    if is_container(location):
        raise ConfigurationError(
            "CHATFOLD_LEGACY_SOURCES: containers of Azure Cosmos DB are folded, not served from."
        )
    if not is_collection(location):
        return IndexedFile(source_format, Path(location), limits)
    if source_format.name != MessageDocuments.name:
        # A session's id may be in several fields there, which no one query could ask for.
        raise ConfigurationError(
            f"CHATFOLD_LEGACY_SOURCES: {source_format.name} are read from files only."
        )
    return QueriedCollection(source_format, location, limits)


async def open_sources(descriptions: Sequence[str], limits: StoreLimits) -> list[LegacySource]:
    """The sources in the order in which they are named, each read as far as it must be.

    One that cannot be read now is tried again when it is asked.

    Raises:
        ConfigurationError: there can be no such source.
    """
    sources = [named_source(one, limits) for one in descriptions]
    for source in sources:
        try:
            await source.check()
        except LegacySourceUnavailableError as error:
            _log.warning("%s Until then, what is not in the store is answered with 503.", error)
    return sources
