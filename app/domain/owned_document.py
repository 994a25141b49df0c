"""OwnedDocument: what a user has beside sessions, such as a project; it has versions of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.domain.free_json import encode_json
from app.domain.identity import Version, new_generation
from app.domain.page import Position
from app.errors import CorruptDocumentError, DocumentTooLargeError

OWNED_DOCUMENT_LIMIT_BYTES = 1024 * 1024
"""The largest body; below what the narrowest server takes in one document."""

M = TypeVar("M", bound=BaseModel)


class DocumentKey(NamedTuple):
    """What identifies a document: its owner, what kind of thing it is, and its id among those."""

    user_id: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class OwnedDocument:
    """One state of a document."""

    key: DocumentKey
    version: Version
    group: str
    """Lists show all of a kind, or those of one group: of a project, for one."""
    order: str
    """Lists are in falling order of this and the id."""
    body: bytes
    """A JSON object, as `encode_json` writes it."""

    @classmethod
    def new(
        cls, key: DocumentKey, members: Mapping[str, Any], *, group: str, order: str
    ) -> "OwnedDocument":
        """The first state of a document."""
        version = Version(new_generation(), 1)
        return cls(key, version, group, order, encode_json(dict(members)))

    def changed(
        self, members: Mapping[str, Any], *, group: str | None = None, order: str | None = None
    ) -> "OwnedDocument":
        """The next state, with another body, and where they are given another group or order."""
        return OwnedDocument(
            self.key,
            self.version._replace(revision=self.version.revision + 1),
            self.group if group is None else group,
            self.order if order is None else order,
            encode_json(dict(members)),
        )

    def check_size(self) -> None:
        """Pass if stores can keep it.

        Raises:
            DocumentTooLargeError: its body has too many bytes.
        """
        if len(self.body) > OWNED_DOCUMENT_LIMIT_BYTES:
            raise DocumentTooLargeError("A document", OWNED_DOCUMENT_LIMIT_BYTES, "bytes")

    def check_sound(self) -> None:
        """Pass if its body can be decoded.

        Raises:
            CorruptDocumentError: it is no JSON object.
        """
        try:
            is_object = isinstance(from_json(self.body), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise CorruptDocumentError("document")

    def read_as(self, model: type[M]) -> M:
        """What it holds, as a model of its kind.

        Raises:
            CorruptDocumentError: it does not hold that.
        """
        try:
            return model.model_validate_json(self.body)
        except ValidationError as error:
            raise CorruptDocumentError(self.key.kind.replace("_", " ")) from error

    @property
    def members(self) -> dict[str, Any]:
        """The body's members."""
        return cast("dict[str, Any]", from_json(self.body))

    @property
    def position(self) -> Position:
        """Where it stands in lists."""
        return (self.order, self.key.id)
