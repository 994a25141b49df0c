"""SourceSession: what a source says of a session itself, beside its messages."""

from functools import cached_property
from typing import NamedTuple

from pydantic import Field

from app.domain.free_json import FreeJSON, canonical_json
from app.domain.instants import Instant
from app.domain.session import SessionFields


class SourceFields(SessionFields):
    """Values of a source that are fit to be stored."""

    created_at: Instant | None = None
    """None: that of the first message."""
    updated_at: Instant | None = None
    """None: that of the last message."""
    extras: FreeJSON = Field(default_factory=dict)
    """What no field can hold, under the source's own names; kept in the session's origin."""

    @cached_property
    def own(self) -> SessionFields:
        """Those that the session's owner may write."""
        return SessionFields.model_validate(self.model_dump(include=_OWN_FIELDS))

    @property
    def has_date(self) -> bool:
        """Whether a session can be made of them without a message."""
        return self.created_at is not None or self.updated_at is not None


_OWN_FIELDS = set(SessionFields.model_fields)


class SourceSession(NamedTuple):
    """A record of a session; ready to go through other processes and the disk."""

    position: int
    fields_json: bytes
    """The same for equal fields; empty where the record is an artifact of the session."""
    findings: int
    """Of `Finding`."""
    size_bytes: int
    """Of the record in the source."""
    artifact_json: bytes = b""
    """What the source says of that artifact; the same for equal ones."""

    @property
    def id(self) -> str:
        """Empty: it becomes no message."""
        return ""

    @property
    def fields(self) -> SourceFields:
        """What it says."""
        return SourceFields.model_validate_json(self.fields_json)

    def with_fields(self, fields: SourceFields) -> "SourceSession":
        """The same, saying this."""
        return self._replace(fields_json=canonical_json(fields.model_dump(mode="json")))


def source_session(
    position: int, fields: SourceFields, findings: int, size_bytes: int
) -> SourceSession:
    """What a record says of a session."""
    fields_json = canonical_json(fields.model_dump(mode="json"))
    return SourceSession(position, fields_json, int(findings), size_bytes)


def artifact_of_session(
    position: int, artifact_json: bytes, findings: int, size_bytes: int
) -> SourceSession:
    """What a record says of an artifact of a session."""
    return SourceSession(position, b"", int(findings), size_bytes, artifact_json)
