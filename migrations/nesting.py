"""Nesting: the flat sessions of a JSON tree get their places in projects, on disk."""

import os
from pathlib import Path

from app.errors import SourceError
from app.formats.json_tree import metadata_of
from app.formats.tree_names import why_no_folder
from app.formats.tree_source import FLAT, METADATA, PROJECTS, is_within, tree_entries
from migrations.durable_files import errors_named, made_folders, moved
from migrations.tree_report import TreeReport


def nest_tree(root: Path, *, project: str | None, is_dry: bool = False) -> TreeReport:
    """Move each session from `chat_sessions` to `projects/<project>/chat_sessions`.

    The project is what the session's metadata names, else the given one. A folder is moved at once
    and its files stay byte for byte what they are; so whatever stops this, it may be done again.

    Raises:
        SourceError: the folder is no tree.
        MigrationError: a folder cannot be moved; those before it are.
    """
    counts = {"moved": 0, "nested already": 0, "left alone": 0}
    refused: list[dict[str, str]] = []
    for entry in tree_entries(root):
        if entry.project_id is not None:
            counts["nested already"] += 1
            continue
        try:
            target = _target(root, entry.session_id, project)
        except (_StaysError, SourceError) as why:
            counts["left alone"] += 1
            refused.append({"session": entry.session_id, "why": str(why)})
            continue
        counts["moved"] += 1
        if not is_dry:
            with errors_named(target):
                made_folders(target.parent, root)
                moved(root / entry.path, target)
    return TreeReport(f"nest-sessions move of {root}", is_dry, counts, refused)


class _StaysError(Exception):
    """A session must stay where it is; says why."""


def _target(root: Path, session_id: str, project: str | None) -> Path:
    """Where a session belongs."""
    real_root = os.path.realpath(root)
    source = root / FLAT / session_id
    if os.path.realpath(source) != str(Path(real_root) / FLAT / session_id):
        raise _StaysError("The folder is a link, or lies behind one.")
    named = metadata_of(source / METADATA).get("project_id")
    wanted = project if named is None or named == "" else named
    if not isinstance(wanted, str):
        raise _StaysError("Its metadata names no project; name one with --project.")
    for what, name in (("project", wanted), ("session", session_id)):
        why = why_no_folder(name)
        if why is not None:
            raise _StaysError(f"The id of its {what} {why}.")
    target = root / PROJECTS / wanted / FLAT / session_id
    if not is_within(real_root, os.path.realpath(target)):
        raise _StaysError("Its project's folder is a link that leads out of the tree.")
    if target.exists() or target.is_symlink():
        raise _StaysError("Its project has a session of that id.")
    return target
