"""Versions as entity tags (RFC 9110 §8.8.3), and the preconditions that name them."""

import re
from collections.abc import Iterable

from starlette.requests import Request

from app.domain.identity import Version, parse_version, version_text
from app.domain.session import Precondition
from app.errors import InvalidETagError

_TAG = r'"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"\s*{_TAG}(?:\s*,\s*{_TAG})*\s*")
_OPAQUE = re.compile(r'"([^"]*)"')


def etag_of(version: Version) -> str:
    """The entity tag of a version, quotes included."""
    return f'"{version_text(version)}"'


def precondition_of(request: Request) -> Precondition | None:
    """What the request's `If-Match` asks, or None where it asks nothing.

    Raises:
        InvalidETagError: it holds something that we never sent as an entity tag. A weak tag is such
            a thing, and could never match (RFC 9110 §13.1.1).
    """
    text = _header(request, b"if-match")
    if text is None:
        return None
    if text.strip() == "*":
        return Precondition()
    if not _TAGS.fullmatch(text):
        raise InvalidETagError("If-Match")
    return Precondition(versions=frozenset(_versions(_OPAQUE.findall(text))))


def names_known(request: Request) -> bool:
    """Whether the caller has something already: without that, nobody need ask for the version."""
    return _header(request, b"if-none-match") is not None


def is_known(request: Request, version: Version) -> bool:
    """Whether `If-None-Match` names the version, by weak comparison; tags of others are ignored."""
    text = _header(request, b"if-none-match")
    if text is None:
        return False
    return text.strip() == "*" or version_text(version) in _OPAQUE.findall(text)


def parse_since(text: str) -> Version:
    """The version in a `since` parameter: an entity tag, with or without its quotes.

    Raises:
        InvalidETagError: it is something else.
    """
    opaque = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    version = parse_version(opaque)
    if version is None:
        raise InvalidETagError("since")
    return version


def _versions(opaque_tags: Iterable[str]) -> Iterable[Version]:
    for opaque in opaque_tags:
        version = parse_version(opaque)
        if version is None:
            raise InvalidETagError("If-Match")
        yield version


def _header(request: Request, name: bytes) -> str | None:
    """The values of a header in one line; without Starlette's search, which decodes every name."""
    values = [value for found, value in request.scope["headers"] if found == name]
    return b", ".join(values).decode("latin-1") if values else None
