"""Projecting: what an old session becomes beside its conversation: a project with what it has.

Pure and deterministic, ids included. A project has the first thing that its user said as intent,
what went wrong in calls of tools as failures, and the artifacts with their versions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from pydantic_core import from_json

from app.domain.artifact import Artifact, ArtifactVersion
from app.domain.artifact_chains import ArtifactChain, chains_of
from app.domain.folding import KEPT_NAME
from app.domain.free_json import encode_json
from app.domain.identity import SessionKey, Version, derived_generation, derived_id
from app.domain.message import EncodedMessage, MessageType
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.project import Project, ProjectStatus
from app.domain.project_context import TEXT_LIMIT_CHARACTERS, ContextEntry, ContextKind
from app.domain.session import Origin
from app.domain.source_session import SourceFields, SourceSession

INTENT_LIMIT_CHARACTERS = 10_000
"""So much of what the user said first is the intent; the conversation has all of it."""

_STATUSES = {
    "pending": ProjectStatus.DRAFT,
    "active": ProjectStatus.IN_PROGRESS,
    "running": ProjectStatus.IN_PROGRESS,
    "completed": ProjectStatus.COMPLETED,
    "failed": ProjectStatus.IN_PROGRESS,
    "cancelled": ProjectStatus.ARCHIVED,
    "archived": ProjectStatus.ARCHIVED,
}
_NAME_LIMIT_CHARACTERS = 1000
_FAILED = ("error", "failed")
_USER = f'"message_type":"{MessageType.USER}"'.encode()


def project_id_of(key: SessionKey) -> str:
    """The id of the project that an old session becomes."""
    return derived_id("projected-session", *key)


def made_generation(run_id: str, key: DocumentKey) -> str:
    """What a document has that this run has made or brought over, and nobody has changed since."""
    return derived_generation("projected-document", run_id, *key)


def in_its_project(key: SessionKey, told: SourceSession) -> SourceSession:
    """What a source says of a session, with the project that the session becomes."""
    fields = told.fields.model_copy(update={"project_id": project_id_of(key)})
    return told.with_fields(fields)


class ProjectFold:
    """Gathers what an old session tells of its project, part by part."""

    def __init__(self, key: SessionKey, format_name: str, run_id: str | None = None) -> None:
        self._key = key
        self._project_id = project_id_of(key)
        self._origin = Origin(format=format_name, source_id=key.session_id, run_id=run_id)
        self._run_id = run_id or ""
        self._told = SourceFields()
        self._artifacts: Sequence[SourceSession] = ()
        self._intent: str | None = None
        self._failures: list[ContextEntry] = []
        self._first_at: str | None = None
        self._last_at: str | None = None

    def take(
        self,
        messages: Iterable[EncodedMessage],
        told: SourceSession | None = None,
        artifacts: Sequence[SourceSession] = (),
    ) -> None:
        """Take the next messages, and with the first ones what is told of the session itself."""
        if told is not None:
            self._told = told.fields
            self._artifacts = artifacts
        for message in messages:
            at = message.created_at
            self._first_at = at if self._first_at is None else min(self._first_at, at)
            self._last_at = at if self._last_at is None else max(self._last_at, at)
            self._look_at(message)

    def documents(self) -> Iterator[OwnedDocument]:
        """All of them, versions behind their artifacts; the project, with all that it has, last.

        The session has told of itself, and has a date.
        """
        created_at, updated_at = self._dates()
        for failure in self._failures:
            yield self._made(failure.document())
        for chain in chains_of(self._key, self._artifacts):
            yield from self._artifact_documents(chain, created_at)
        project = Project(
            id=self._project_id,
            user_id=self._key.user_id,
            workspace_id=self._told.workspace_id,
            title=self._told.session_name,
            intent=self._intent,
            status=_status(self._told),
            settings=_settings(self._told),
            origin=self._origin,
            created_at=created_at,
            updated_at=updated_at,
        )
        yield self._made(project.new_document())

    def _made(self, document: OwnedDocument) -> OwnedDocument:
        return replace(document, version=Version(made_generation(self._run_id, document.key), 1))

    def _dates(self) -> tuple[datetime, datetime]:
        told = self._told
        first = self._first_at and datetime.fromisoformat(self._first_at)
        last = self._last_at and datetime.fromisoformat(self._last_at)
        created_at = told.created_at or first or told.updated_at
        if not created_at:
            raise ValueError("A project without messages needs a date.")
        return created_at, max(created_at, told.updated_at or last or created_at)

    def _look_at(self, message: EncodedMessage) -> None:
        stored = message.unplaced_json
        says_intent = self._intent is None and _USER in stored
        if not says_intent and b"tool_calls" not in stored:
            return
        members = cast("dict[str, Any]", from_json(stored))
        if says_intent and members["message_type"] == MessageType.USER:
            content = members["content"]
            self._intent = content[:INTENT_LIMIT_CHARACTERS] if content.strip() else None
        for index, call in enumerate(_tool_calls(members["metadata"])):
            if call.get("status") in _FAILED:
                self._failures.append(self._failure(message, index, call))

    def _failure(
        self, message: EncodedMessage, index: int, call: Mapping[str, Any]
    ) -> ContextEntry:
        named = {"tool": call.get("name"), "tool_call_id": call.get("id")}
        return ContextEntry(
            id=derived_id("projected-failure", *self._key, message.id, str(index)),
            user_id=self._key.user_id,
            project_id=self._project_id,
            kind=ContextKind.FAILURE,
            text=_failure_text(call)[:TEXT_LIMIT_CHARACTERS],
            details={
                name: value[:_NAME_LIMIT_CHARACTERS]
                for name, value in named.items()
                if isinstance(value, str)
            },
            conversation_id=self._key.session_id,
            message_id=message.id,
            origin=self._origin,
            created_at=datetime.fromisoformat(message.created_at),
        )

    def _artifact_documents(
        self, chain: ArtifactChain, session_at: datetime
    ) -> Iterator[OwnedDocument]:
        first, newest = chain.artifacts[0], chain.artifacts[-1]
        told_id = {} if first.id is None else {"id": first.id}
        created_at = first.created_at or session_at
        made = Artifact(
            id=chain.id,
            user_id=self._key.user_id,
            project_id=self._project_id,
            name=newest.name,
            artifact_type=newest.artifact_type,
            metadata=newest.metadata,
            origin=self._origin.model_copy(update={"extras": {**told_id, **first.extras}}),
            created_at=created_at,
        )
        yield self._made(made.document())
        number = 0
        for artifact in chain.artifacts:
            # What the later ones of a chain say, their versions keep: the artifact has the first's.
            kept = {} if artifact is first else artifact.extras
            for version in artifact.versions:
                number += 1
                extras = {**kept, **version.extras}
                text = ArtifactVersion(
                    user_id=self._key.user_id,
                    artifact_id=chain.id,
                    number=number,
                    content=version.content,
                    conversation_id=self._key.session_id,
                    metadata={KEPT_NAME: extras} if extras else {},
                    origin=self._origin,
                    created_at=version.created_at or artifact.created_at or created_at,
                )
                yield self._made(text.document())


def _status(told: SourceFields) -> ProjectStatus:
    """What the status of a session is for a project; one that nobody knows is in progress."""
    status = _kept(told.extras).get("status", str(told.status))
    known = _STATUSES.get(status) if isinstance(status, str) else None
    return known or ProjectStatus.IN_PROGRESS


def _settings(told: SourceFields) -> dict[str, Any]:
    skill_id = _kept(told.extras).get("skill_id")
    return {} if skill_id is None else {"skill_id": skill_id}


def _tool_calls(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that the source has kept with a message."""
    kept = metadata.get(KEPT_NAME)
    calls = _kept(cast("dict[str, Any]", kept)).get("tool_calls") if isinstance(kept, dict) else ()
    elements = cast("Sequence[Any]", calls) if isinstance(calls, list) else ()
    return [cast("dict[str, Any]", one) if isinstance(one, dict) else {} for one in elements]


def _failure_text(call: Mapping[str, Any]) -> str:
    """What went wrong, in the words of the tool."""
    said: Any = call.get("error") or call.get("result") or "It failed."
    if isinstance(said, dict):
        told = cast("dict[str, Any]", said)
        said = told.get("message") or told
    text = said if isinstance(said, str) else encode_json(said).decode()
    tool = call.get("name")
    return f"{tool}: {text}" if isinstance(tool, str) and tool else text


def _kept(extras: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is kept of a source, also where it could be kept as text only."""
    text = extras.get("json")
    if len(extras) == 1 and isinstance(text, str):
        try:
            decoded = from_json(text)
        except ValueError:  # some other text, which the source calls so
            return extras
        return cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else extras
    return extras
