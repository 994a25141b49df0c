"""Old sessions for migration tests, and what has become of them in a store."""

from pathlib import Path
from typing import Any

from app.domain.artifact import KIND as ARTIFACT
from app.domain.artifact import VERSION_KIND, Artifact, ArtifactVersion
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.project import KIND as PROJECT
from app.domain.project import Project
from app.domain.project_context import KIND as CONTEXT_ENTRY
from app.domain.project_context import ContextEntry
from app.store.port import SessionStore
from migrations.jobs.sessions_to_projects import SESSIONS_TO_PROJECTS
from migrations.report import RunReport
from migrations.verify_report import VerifyReport
from tests.migrations.sources import at, fold, verified, write_source


def old_session(*messages: Any, **members: Any) -> dict[str, Any]:
    """Session `s1` of `ada`, as the old product exported it, with these members instead."""
    return {
        "id": "s1",
        "user_id": "ada",
        "workspace_id": "w1",
        "title": "Competitors",
        "status": "completed",
        "skill_id": "deep_research",
        "created_at": at(0),
        "updated_at": at(59),
        "messages": list(messages),
        **members,
    }


def said(id: str | None, content: Any, role: str = "user", **members: Any) -> dict[str, Any]:  # noqa: A002 - of the source
    """A message within a session."""
    return {"id": id, "role": role, "content": content, "created_at": at(1), **members}


def failed_call(name: str = "web_search", **members: Any) -> dict[str, Any]:
    """A call of a tool that went wrong."""
    return {"id": "tc_1", "name": name, "args": {}, "status": "error", "error": "No way", **members}


async def projected(
    folder: Path, store: SessionStore, *documents: dict[str, Any] | bytes
) -> tuple[RunReport, Path]:
    """Run the job on a file of these documents."""
    path = write_source(folder / "old.jsonl", documents)
    return await fold(path, store, job=SESSIONS_TO_PROJECTS), path


async def proof(path: Path, store: SessionStore) -> VerifyReport:
    return await verified(path, store, SESSIONS_TO_PROJECTS)


async def documents_of(
    store: SessionStore, kind: str, user_id: str = "ada", group: str | None = None
) -> list[OwnedDocument]:
    """The user's documents of a kind, the last one first."""
    return list((await store.list_documents(user_id, kind, group=group, limit=200)).items)


async def projects_of(store: SessionStore, user_id: str = "ada") -> dict[str, Project]:
    """By the session that each was made of."""
    documents = await documents_of(store, PROJECT, user_id)
    projects = [Project.from_document(document) for document in documents]
    return {project.origin.source_id: project for project in projects if project.origin}


async def failures_of(store: SessionStore) -> list[ContextEntry]:
    documents = await documents_of(store, CONTEXT_ENTRY)
    return [ContextEntry.from_document(document) for document in reversed(documents)]


async def artifacts_of(store: SessionStore) -> dict[str, tuple[Artifact, list[ArtifactVersion]]]:
    """By name, with their versions, the first one first."""
    found: dict[str, tuple[Artifact, list[ArtifactVersion]]] = {}
    for document in await documents_of(store, ARTIFACT):
        artifact = Artifact.from_document(document)
        versions = await documents_of(store, VERSION_KIND, group=artifact.id)
        read = [ArtifactVersion.from_document(version) for version in reversed(versions)]
        found[artifact.name] = (artifact, read)
    return found


async def everything_in(store: SessionStore) -> dict[Any, Any]:
    """All sessions and documents of a store, as their bytes."""
    documents = {key: await store.read_document(key) for key in await store.list_document_keys()}
    sessions = {key: (await store.read(key)).to_json() for key in await store.list_keys()}
    return {**documents, **sessions}


async def write_over(store: SessionStore, key: DocumentKey, **members: Any) -> None:
    """Change a document as its user would."""
    document = await store.read_document(key)
    assert document is not None
    changed = document.changed({**document.members, **members})
    assert await store.put_document(changed, replaces=document.version)
