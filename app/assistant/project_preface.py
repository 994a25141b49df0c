"""Project preface: what an assistant is told of a project before it sees the session."""

from collections.abc import Sequence

from app.domain.project import Project
from app.domain.project_context import ContextEntry, ContextKind

_LABELS = {
    ContextKind.DECISION: "Decided",
    ContextKind.FAILURE: "Failed before",
    ContextKind.FINDING: "Found out",
}


def preface_of(project: Project | None, current_entries: Sequence[ContextEntry]) -> list[str]:
    """What is told of a project, in the order of its weight: what it is, then the newest first."""
    lines: list[str] = []
    if project is not None and project.title:
        lines.append(f"This conversation belongs to the project: {project.title}")
    if project is not None and project.intent:
        lines.append(f"What the project is to achieve: {project.intent}")
    newest_first = sorted(current_entries, key=lambda one: (one.created_at, one.id), reverse=True)
    lines += [f"{_LABELS[entry.kind]}: {entry.text}" for entry in newest_first]
    return lines
