"""Located sources: where a source is, and what is said of it, from one text that says both."""

import re
from urllib.parse import unquote

from app.domain.container_address import is_container
from app.domain.source_options import AS_IT_IS, SourceOptions, is_option, options_of_pairs
from app.formats.collection_source import is_collection

_PAIRS = re.compile(r"[^=&/]+=[^&]*(&[^=&/]+=[^&]*)*")


def split_location(told: str) -> tuple[str, SourceOptions]:
    """A location, and the options that its query says; percent-encoded where they must be.

    A URL keeps what else its query says, which is for its client. Behind a path, whatever looks
    like a query is one.

    Raises:
        ConfigurationError: an option is none, or says nothing.
    """
    location, mark, query = told.rpartition("?")
    if not mark or not _PAIRS.fullmatch(query):
        return told, AS_IT_IS
    parts = query.split("&")
    is_url = is_collection(told) or is_container(told)
    kept = [part for part in parts if is_url and not is_option(_pair(part)[0])]
    options = options_of_pairs(_pair(part) for part in parts if part not in kept)
    return f"{location}?{'&'.join(kept)}" if kept else location, options


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name), unquote(value)
