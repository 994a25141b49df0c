"""The documents of a container of Azure Cosmos DB as verify reads them, by calls of its own."""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError
from azure.cosmos import ContainerProxy, CosmosClient

from app.domain.container_address import ContainerAddress
from app.domain.source_options import SourceOptions
from app.errors import SourceError
from app.store.urls import shown_url

_SERVERS_OWN = ("_rid", "_self", "_etag", "_attachments", "_ts")
_IDS_IN_A_QUERY = 200
_PAGE_DOCUMENTS = 500


@contextmanager
def container_documents(url: str, key: str, options: SourceOptions) -> Generator[Iterator[bytes]]:
    """Each document as JSON, in the order in which a run reads them.

    Raises:
        SourceError: the container cannot be read.
    """
    address = ContainerAddress.of(url)
    try:
        with CosmosClient(
            address.endpoint,
            key,
            enable_endpoint_discovery=False,
            connection_verify=address.checks_certificate,
            retry_throttle_total=20,
            retry_throttle_backoff_max=120,
        ) as client:
            database = client.get_database_client(address.database)
            container = database.get_container_client(address.container)
            yield _as_json(_documents(container, options), options)
    except (AzureError, UnicodeDecodeError) as error:
        raise SourceError(f"{shown_url(url)} cannot be read: {type(error).__name__}.") from error


def _as_json(documents: Iterator[dict[str, Any]], options: SourceOptions) -> Iterator[bytes]:
    for document in documents:
        for name in _SERVERS_OWN:
            if name not in options.fields.values():
                document.pop(name, None)
        yield json.dumps(document).encode()


def _documents(container: ContainerProxy, options: SourceOptions) -> Iterator[dict[str, Any]]:
    """All of them without a query; else those of the wanted sessions, whole."""
    session, user = (
        f"r[{json.dumps(options.fields.get(name, name))}]" for name in ("session_id", "user_id")
    )
    page_documents = min(options.limit or _PAGE_DOCUMENTS, _PAGE_DOCUMENTS)
    of_sessions = f"SELECT * FROM r WHERE ARRAY_CONTAINS(@values, {session})"  # noqa: S608 - a name
    if options.session is not None:
        yield from _asked(container, of_sessions, _spellings(options.session), page_documents)
    elif options.user is not None:
        users = _spellings(options.user)
        of_user = f"SELECT VALUE {session} FROM r WHERE ARRAY_CONTAINS(@values, {user})"  # noqa: S608 - names
        if options.user == options.default_user:
            users.extend([None, ""])
            of_user += f" OR NOT IS_DEFINED({user})"
        written = {json.dumps(one) for one in _asked(container, of_user, users) if _is_id(one)}
        ids = [json.loads(one) for one in sorted(written)]
        for some in range(0, len(ids), _IDS_IN_A_QUERY):
            yield from _asked(
                container, of_sessions, ids[some : some + _IDS_IN_A_QUERY], page_documents
            )
    else:
        yield from container.read_all_items(max_item_count=page_documents)


def _asked(
    container: ContainerProxy, query: str, values: list[Any], page_documents: int = _PAGE_DOCUMENTS
) -> Iterator[Any]:
    yield from container.query_items(
        query,
        [{"name": "@values", "value": values}],
        enable_cross_partition_query=True,
        max_item_count=page_documents,
    )


def _spellings(text: str) -> list[Any]:
    """All values that are kept as this text."""
    return [text, int(text)] if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) else [text]


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
