"""AllowedSources: what may be named as a source by those who are not at the machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from app.domain.container_address import is_container
from app.errors import SourceNotAllowedError
from app.formats.collection_source import is_collection


class _Collections(NamedTuple):
    """A database, or one collection or container of it, and how it is reached."""

    scheme: str
    hosts: str
    database: str
    collection: str
    """Empty: any."""
    credentials: str
    options: str

    @classmethod
    def of(cls, url: str) -> "_Collections":
        parts = urlsplit(url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        path = parts.path.removeprefix("/")
        database, _, collection = path.partition(_sign_before_collection(url))
        return cls(parts.scheme, hosts, database, collection, credentials + at, parts.query)

    def reached(self, collection: str) -> str:
        """The URL of a collection with all that its server asks for."""
        options = f"?{self.options}" if self.options else ""
        place = f"{self.scheme}://{self.credentials}{self.hosts}/{self.database}"
        return f"{place}{_sign_before_collection(place)}{collection}{options}"


class AllowedSources:
    """Folders and databases; what lies in them may be named, and nothing else.

    Who names a collection says nothing of users, passwords and options: those are the machine's.
    """

    def __init__(self, places: Sequence[str]) -> None:
        self._folders = [Path(one) for one in places if not _is_live(one)]
        self._collections = [_Collections.of(one) for one in places if _is_live(one)]

    def located(self, named: str) -> str:
        """Where a source that someone has named is.

        Raises:
            SourceNotAllowedError: it is in none of these places, wherever links and dots lead.
        """
        if "\0" in named:
            raise SourceNotAllowedError
        if _is_live(named):
            return self._collection(named)
        path = Path(named)
        if path.is_absolute():
            # Links are followed first, and what they lead to is what will be opened.
            try:
                resolved = path.resolve()
                folders = [folder.resolve() for folder in self._folders]
            except (OSError, RuntimeError):  # a ring of links, or a name too long to be one
                raise SourceNotAllowedError from None
            if any(resolved.is_relative_to(folder) for folder in folders):
                return str(resolved)
        raise SourceNotAllowedError

    def has(self, named: str) -> bool:
        """Whether it may be named."""
        try:
            self.located(named)
        except SourceNotAllowedError:
            return False
        return True

    def _collection(self, named: str) -> str:
        try:
            wanted = _Collections.of(named)
        except ValueError:  # it is no URL at all
            raise SourceNotAllowedError from None
        for allowed in self._collections:
            is_same_database = wanted[:3] == allowed[:3]
            if (
                is_same_database
                and wanted.collection
                and wanted.collection == (allowed.collection or wanted.collection)
                and not wanted.credentials
                and not wanted.options
            ):
                return allowed.reached(wanted.collection)
        raise SourceNotAllowedError


def _is_live(location: str) -> bool:
    return is_collection(location) or is_container(location)


def _sign_before_collection(url: str) -> str:
    return "/" if is_container(url) else "."
