"""Opening: from what an operator names as sources that are still in use to sources that answer."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from app.domain.container_address import is_container
from app.domain.limits import StoreLimits
from app.domain.source_options import AS_IT_IS
from app.errors import ConfigurationError, LegacySourceUnavailableError
from app.formats.collection_source import CollectionSource, is_collection
from app.formats.cosmos_source import CosmosSource
from app.formats.json_tree import JSONTree
from app.formats.port import LiveSource
from app.legacy.indexed_source import IndexedSource
from app.legacy.legacy_format import FORMATS
from app.legacy.live_queries import queries_of
from app.legacy.located_source import split_location
from app.legacy.port import LegacySource
from app.legacy.queried_source import QueriedSource
from app.legacy.readable_files import OneFile, OneTree

_log = logging.getLogger(__name__)


def named_source(
    description: str, limits: StoreLimits, *, cosmos_key: SecretStr | None = None
) -> LegacySource:
    """The source of a `format=location?options`; nothing is read yet.

    The key is that of the account which containers of Azure Cosmos DB are in.

    Raises:
        ConfigurationError: there can be no such source.
    """
    format_name, _, told = description.partition("=")
    source_format = FORMATS.get(format_name)
    if source_format is None or not told:
        known = ", ".join(f"{name}=…" for name in FORMATS)
        raise ConfigurationError(f"CHATFOLD_LEGACY_SOURCES lists sources as {known}.")
    try:
        location, options = split_location(told)
        source_format.make(options)  # so that wrong ones are told at the start
    except ConfigurationError as error:
        raise ConfigurationError(f"CHATFOLD_LEGACY_SOURCES: {error}") from None
    source_format = source_format._replace(options=options)
    if not (is_collection(location) or is_container(location)):
        path = Path(location)
        files = OneTree(path) if format_name == JSONTree.name else OneFile(path)
        return IndexedSource(source_format, files, limits)
    queries = queries_of(source_format)
    if queries is None:
        raise ConfigurationError(f"CHATFOLD_LEGACY_SOURCES: no database holds a {format_name}.")
    # Of sessions the queries know the names of fields, of messages the source.
    options = AS_IT_IS if source_format.is_nested else options
    live: LiveSource
    if is_container(location):
        live = CosmosSource(location, options, key=cosmos_key)
    else:
        live = CollectionSource(location, options)
    return QueriedSource(source_format, queries, live, limits)


async def open_sources(
    descriptions: Sequence[str], limits: StoreLimits, *, cosmos_key: SecretStr | None = None
) -> list[LegacySource]:
    """The sources in the order in which they are named, each read as far as it must be.

    One that cannot be read now is tried again when it is asked.

    Raises:
        ConfigurationError: there can be no such source.
    """
    sources = [named_source(one, limits, cosmos_key=cosmos_key) for one in descriptions]
    for source in sources:
        try:
            await source.check()
        except LegacySourceUnavailableError as error:
            _log.warning("%s Until then, what is not in the store is answered with 503.", error)
    return sources
