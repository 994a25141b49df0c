"""Verify of projects: compares what old sessions must be beside their conversations."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, NamedTuple, cast

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND
from app.domain.identity import SessionKey, derived_id
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Position
from app.domain.project import KIND as PROJECT
from app.domain.project_context import KIND as CONTEXT_ENTRY
from app.errors import CorruptDocumentError
from app.store.port import PAGE_LIMIT, SessionStore
from migrations.expected_artifacts import ExpectedArtifact
from migrations.expected_projects import ExpectedFailure, ExpectedProject
from migrations.expected_record import canonical

Differ = Callable[[SessionKey, str, str], None]
"""Is told the session, the code, and a sentence."""

_Stored = dict[str, Any]


def expected_project_id(key: SessionKey) -> str:
    """The id that the project of a session must have."""
    return derived_id("projected-session", *key)


class ProjectComparison:
    """Compares the project of one session after the other."""

    def __init__(self, store: SessionStore, format_name: str, differ: Differ) -> None:
        self.expected: Counter[str] = Counter()
        """How many there must be of each kind of document."""
        self.changed_since: list[SessionKey] = []
        """Of the sessions whose projects users have changed."""
        self._store = store
        self._format_name = format_name
        self._differ = differ

    async def compare(self, key: SessionKey, expected: ExpectedProject) -> None:
        """Compare the project of a session that is there."""
        self.expected[PROJECT] += 1
        self.expected[CONTEXT_ENTRY] += len(expected.failures)
        self.expected[ARTIFACT] += len(expected.artifacts)
        self.expected[VERSION_KIND] += sum(len(one.versions) for one in expected.artifacts)
        try:
            await self._compare_project(key, expected)
            await self._compare_failures(key, expected)
            await self._compare_artifacts(key, expected.artifacts)
        except CorruptDocumentError as error:
            self._differ(key, "project_damaged", str(error))

    async def _compare_project(self, key: SessionKey, expected: ExpectedProject) -> None:
        project_id = expected_project_id(key)
        document = await self._store.read_document(DocumentKey(key.user_id, PROJECT, project_id))
        if document is None:
            self._differ(key, "project_missing", f"The store has no project {project_id!r}.")
            return
        stored = _members(document)
        if not self._is_made_of(stored, key):
            self._differ(key, "project_not_ours", f"No run has made project {project_id!r}.")
            return
        fields = {**expected.fields, "created_at": expected.created_at}
        if document.version.revision > 1:  # a run always leaves the first
            self.changed_since.append(key)
            fields = {"created_at": expected.created_at}
        for name, value in fields.items():
            if canonical(stored.get(name)) != canonical(value):
                detail = f"The project's {name} is not that of the source."
                self._differ(key, "project_differs", detail)

    async def _compare_failures(self, key: SessionKey, expected: ExpectedProject) -> None:
        stored = [
            entry
            async for entry in self._documents(key, CONTEXT_ENTRY, expected_project_id(key))
            if self._is_made_of(entry, key)
        ]
        left = list(stored)
        for failure in expected.failures:
            found = next((one for one in left if _is_failure(one, failure, key)), None)
            if found is None:
                near = failure.message_id or "without an id"
                detail = f"The project lacks a failure of message {near}, or it says another thing."
                self._differ(key, "failure_missing", detail)
            else:
                left.remove(found)
        for entry in [] if expected.has_hidden else left:
            detail = f"The source has no such failure as {entry['id']!r} is."
            self._differ(key, "failure_unexpected", detail)

    async def _compare_artifacts(
        self, key: SessionKey, expected: Sequence[ExpectedArtifact]
    ) -> None:
        stored = [
            _StoredArtifact(artifact, await self._versions(key, artifact["id"]))
            async for artifact in self._documents(key, ARTIFACT, expected_project_id(key))
            if self._is_made_of(artifact, key)
        ]
        # What is as it must be is found first, so that artifacts of one name are told apart.
        missed: list[ExpectedArtifact] = []
        for wanted in expected:
            same = next((one for one in stored if one.is_as(wanted)), None)
            if same is None:
                missed.append(wanted)
            else:
                stored.remove(same)
        for wanted in missed:
            near = next((one for one in stored if _is_named(one.members, wanted)), None)
            if near is None:
                detail = f"The project lacks artifact {wanted.name!r}."
                self._differ(key, "artifact_missing", detail)
            else:
                stored.remove(near)
                self._compare_artifact(key, near, wanted)
        for artifact in stored:
            detail = f"The source has no such artifact as {artifact.members['id']!r} is."
            self._differ(key, "artifact_unexpected", detail)

    def _compare_artifact(
        self, key: SessionKey, stored: "_StoredArtifact", wanted: ExpectedArtifact
    ) -> None:
        name = repr(wanted.name)
        if not _is_artifact(stored.members, wanted):
            self._differ(key, "artifact_differs", f"Artifact {name} is not as the source says.")
        for number, told in enumerate(wanted.versions, start=1):
            version = stored.versions.get(number)
            if version is None:
                self._differ(key, "version_missing", f"Artifact {name} lacks version {number}.")
            elif _told(version) != told:
                detail = f"Version {number} of artifact {name} is not as the source says."
                self._differ(key, "version_differs", detail)
        for number in sorted(stored.versions.keys() - set(range(1, len(wanted.versions) + 1))):
            detail = f"The source has no version {number} of artifact {name}."
            self._differ(key, "version_unexpected", detail)

    async def _versions(self, key: SessionKey, artifact_id: str) -> dict[int, _Stored]:
        """Those that a run has made, by number."""
        return {
            version["number"]: version
            async for version in self._documents(key, VERSION_KIND, artifact_id)
            if self._is_made_of(version, key)
        }

    def _is_made_of(self, stored: _Stored, key: SessionKey) -> bool:
        """Whether a run has made it of this session."""
        match stored.get("origin"):
            case {"format": format_name, "source_id": source_id}:
                return (format_name, source_id) == (self._format_name, key.session_id)
            case _:
                return False

    async def _documents(self, key: SessionKey, kind: str, group: str) -> AsyncIterator[_Stored]:
        after: Position | None = None
        while True:
            page = await self._store.list_documents(
                key.user_id, kind, group=group, limit=PAGE_LIMIT, after=after
            )
            for document in page.items:
                yield _members(document)
            after = page.next_position
            if after is None:
                return


class _StoredArtifact(NamedTuple):
    """An artifact that a run has made, with the versions that it has made of it."""

    members: _Stored
    versions: dict[int, _Stored]

    def is_as(self, wanted: ExpectedArtifact) -> bool:
        """Whether all of it is as the source says."""
        told = {number: _told(version) for number, version in self.versions.items()}
        is_alike = _is_named(self.members, wanted) and _is_artifact(self.members, wanted)
        return is_alike and told == dict(enumerate(wanted.versions, start=1))


def _told(version: _Stored) -> tuple[str, str, str]:
    return version["content"], version["created_at"], canonical(version["metadata"])


def _members(document: OwnedDocument) -> _Stored:
    document.check_sound()
    return cast("_Stored", json.loads(document.body))


def _is_failure(entry: _Stored, failure: ExpectedFailure, key: SessionKey) -> bool:
    return (
        entry["kind"] == "failure"
        and entry["text"] == failure.text
        and entry["details"] == failure.details
        and entry["created_at"] == failure.created_at
        and entry["conversation_id"] == key.session_id
        and failure.message_id in {None, entry["message_id"]}
    )


def _is_named(artifact: _Stored, wanted: ExpectedArtifact) -> bool:
    """Whether it is that artifact, as far as the source's ids tell; else by its name."""
    source_id = json.loads(wanted.extras).get("id")
    if source_id is not None:
        return bool(artifact["origin"]["extras"].get("id") == source_id)
    return bool(artifact["name"] == wanted.name)


def _is_artifact(artifact: _Stored, wanted: ExpectedArtifact) -> bool:
    return (
        artifact["name"],
        artifact["artifact_type"],
        canonical(artifact["metadata"]),
        artifact["created_at"],
        canonical(artifact["origin"]["extras"]),
    ) == (
        wanted.name,
        wanted.artifact_type,
        wanted.metadata,
        wanted.created_at,
        wanted.extras,
    )
