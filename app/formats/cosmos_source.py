"""CosmosSource: the documents of a live container of Azure Cosmos DB, as its server orders them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from app.domain.container_address import ContainerAddress
from app.domain.source_options import SourceOptions
from app.errors import ConfigurationError
from app.formats.port import Notation, RawRecord
from app.store.urls import shown_url

_ADDED_BY_SERVER = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})
"""Members that every document has; no user wrote them."""
_IDS_IN_A_QUERY = 200  # a query may have 512 KiB
_NUMBER_DIGITS = 19

_Query = tuple[str, Mapping[str, Any]]
"""A text, and the values of its parameters."""


class CosmosSource:
    """A container, named as in `cosmos://host/database/container?options`.

    Nothing is grouped or sorted by the server, and nothing written to it. Where a user or a session
    is wanted, it is asked for no more than their sessions, and at a time for no more than the
    limit, to which whoever reads keeps. What the server adds to each document is left out, but for
    what the operator names as a field.

    Raises:
        ConfigurationError: the URL names no container, there is no key, or the client is missing.
        SourceError: the account cannot be reached, refuses, or lacks it; also from the iteration.
    """

    notation = Notation.JSON
    size_bytes: int | None = None
    bytes_read = 0
    blank_lines = 0

    def __init__(self, url: str, options: SourceOptions, *, key: SecretStr | None) -> None:
        self.name = shown_url(url)
        self._address = ContainerAddress.of(url)
        if key is None:
            raise ConfigurationError(
                "CHATFOLD_COSMOS_KEY must have a key of the account; one that only reads will do."
            )
        self._key = key
        self._options = options
        self._session_name = options.fields.get("session_id", "session_id")
        self._user_name = options.fields.get("user_id", "user_id")
        self._left_out = _ADDED_BY_SERVER.difference(options.fields.values())
        try:
            # The client is an extra, which nothing else needs.
            from app.formats.cosmos_container import CosmosContainer  # noqa: PLC0415 - see above
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "The client of Azure Cosmos DB is not installed: pip install azure-cosmos."
            ) from error
        self._connected = CosmosContainer
        self._container: CosmosContainer

    def __enter__(self) -> Self:
        """Connect, and see that the container is there."""
        self._container = self._connected(self._address, self.name, self._key.get_secret_value())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._container.close()

    def __iter__(self) -> Iterator[RawRecord]:
        """Every document that may be wanted."""
        return self.wanted(self._options)

    def wanted(self, options: SourceOptions) -> Iterator[RawRecord]:
        """See the port."""
        return self._found(self._queries(options), limit=options.limit)

    def holding(
        self, names: Sequence[str], ids: Sequence[str], *, or_nobody: bool = False
    ) -> Iterator[RawRecord]:
        """See the port."""
        return self._found(_conditions(names, ids, or_nobody=or_nobody))

    def place(self, position: int) -> str:
        """See the port."""
        return f"document {position}"

    def fingerprint(self) -> str | None:
        """Of how many documents there are, and the second in which the last of them was written."""
        (count,) = self._container.found("SELECT VALUE COUNT(1) FROM c", {})
        written_at = [*self._container.found("SELECT VALUE MAX(c._ts) FROM c", {})]
        return f"{count}-{written_at}"

    def _written(self, document: Mapping[str, Any]) -> bytes:
        """A document as a file of JSON would have it."""
        kept = {name: value for name, value in document.items() if name not in self._left_out}
        try:
            return json.dumps(kept, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half a pair of surrogates, which only an escape can write
            return json.dumps(kept).encode()

    def _found(self, queries: Iterable[_Query], *, limit: int | None = None) -> Iterator[RawRecord]:
        position = 0
        for query, parameters in queries:
            for document in self._container.found(query, parameters, limit=limit):
                position += 1
                yield RawRecord(position, self._written(document))

    def _queries(self, options: SourceOptions) -> Iterator[_Query]:
        """One after the other; what they find is in no two of them."""
        if options.session is not None:
            yield _wanted("*", [self._session_name], forms_of(options.session))
        elif options.user is not None:
            session_ids = iter(self._session_ids(options.user, options.default_user))
            while some := list(islice(session_ids, _IDS_IN_A_QUERY)):
                yield _wanted("*", [self._session_name], some)
        else:
            yield "SELECT * FROM c", {}

    def _session_ids(self, user_id: str, default_user: str | None) -> list[str | int]:
        """Of the sessions in which a user has something, as they are stored, in a fixed order.

        They are read whole: whose a document without a user is, its whole session says.
        """
        query, parameters = _wanted(
            f"VALUE {_member(self._session_name)}",
            [self._user_name],
            forms_of(user_id),
            or_nobody=user_id == default_user,
        )
        values = self._container.found(query, parameters)
        ids = {value for value in values if type(value) in {str, int}}  # others can be no ids
        return sorted(ids, key=json.dumps)


def forms_of(text: str) -> list[str | int]:
    """What may be stored where an id reads so: text, or a number."""
    digits = text.removeprefix("-")
    is_whole = digits.isdecimal() and len(digits) <= _NUMBER_DIGITS
    return [text, int(text)] if is_whole and str(int(text)) == text else [text]


def _conditions(names: Sequence[str], ids: Sequence[str], *, or_nobody: bool) -> Iterator[_Query]:
    for start in range(0, len(ids), _IDS_IN_A_QUERY):
        some = ids[start : start + _IDS_IN_A_QUERY]
        forms = [form for one in some for form in forms_of(one)]
        yield _wanted("*", names, forms, or_nobody=or_nobody)


def _wanted(
    selected: str, names: Sequence[str], values: Sequence[str | int], *, or_nobody: bool = False
) -> _Query:
    """The query for documents in which one of these members has one of these values."""
    all_values = [*values, None, ""] if or_nobody else values
    parameters = {f"@p{number}": value for number, value in enumerate(all_values)}
    members = [_member(name) for name in names]
    conditions = [f"{member} IN ({', '.join(parameters)})" for member in members]
    if or_nobody:
        conditions += [f"NOT IS_DEFINED({member})" for member in members]
    wanted = " OR ".join(conditions)
    return f"SELECT {selected} FROM c WHERE {wanted}", parameters  # noqa: S608 - values are bound


def _member(name: str) -> str:
    """A member of a document by whatever name; a string of the query language is one of JSON."""
    return f"c[{json.dumps(name)}]"
