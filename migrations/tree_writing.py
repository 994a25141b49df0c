"""Writing trees: the sessions of a store as folders of JSON files, each whole or not there."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from app.domain.identity import SessionKey
from app.errors import SessionNotFoundError
from app.formats.tree_names import why_no_folder
from app.formats.tree_source import FLAT, MESSAGES, METADATA, PROJECTS, is_within
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.durable_files import errors_named, made_folders, moved, sync_folder, written_beside
from migrations.tree_report import TreeReport

_KEPT_NAME = "chatfold:source"


async def write_tree(
    store: SessionStore,
    root: Path,
    *,
    user: str | None = None,
    progress: Progress | None = None,
) -> TreeReport:
    """Write every session of a store, or of a user, below a folder; deleted messages are not.

    What is there as it would be written stays; what is there otherwise is left alone and told.
    It may be stopped and done again.

    Raises:
        MigrationError: the file system refuses.
        StoreError: the store cannot be read.
    """
    progress = progress or SilentProgress()
    progress.begin("writing", None)
    counts = {"written": 0, "there already": 0, "left alone": 0}
    refused: list[dict[str, str]] = []
    keys = await store.list_keys()
    done = 0
    while keys:
        for key in keys:
            if user in {None, key.user_id}:
                state, why = await _write(store, root, key)
                counts[state] += 1
                if why:
                    named = {"user": key.user_id, "session": key.session_id}
                    refused.append({**named, "why": why})
            done += 1
            progress.advance(done, done)
        keys = await store.list_keys(after=keys[-1])
    return TreeReport(
        f"nest-sessions write to {root}", is_dry=False, sessions=counts, refused=refused
    )


async def _write(store: SessionStore, root: Path, key: SessionKey) -> tuple[str, str]:
    """What became of a session, and why it was left alone."""
    try:
        session = json.loads((await store.read(key)).to_json())
    except SessionNotFoundError:
        return "left alone", "It was deleted meanwhile."
    project = session["project_id"]
    for what, name in (("project", project), ("session", key.session_id)):
        why = None if name is None else why_no_folder(name)
        if why is not None:
            return "left alone", f"The id of its {what} {why}."
    inner = Path(FLAT) if project is None else Path(PROJECTS) / project / FLAT
    return _place(root, inner / key.session_id, session)


def _place(root: Path, inner: Path, session: Mapping[str, Any]) -> tuple[str, str]:
    target = root / inner
    if not is_within(os.path.realpath(root), os.path.realpath(target)):
        return "left alone", "Its folder is a link that leads out of the tree."
    files = {METADATA: _metadata(session), MESSAGES: _messages(session)}
    with errors_named(target):
        if target.exists() or target.is_symlink():
            if _holds(target, files):
                return "there already", ""
            return "left alone", "There is another session in its place, or another state of it."
        root.mkdir(parents=True, exist_ok=True)
        made_folders(target.parent, root)
        _write_at_once(target, files)
    return "written", ""


def _holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in files.items()
    )


def _write_at_once(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the files beside their place, and put them there together."""
    # A name that readers of trees pass over, and that is never too long.
    beside = target.parent / f".writing-{hashlib.sha256(target.name.encode()).hexdigest()[:32]}"
    shutil.rmtree(beside, ignore_errors=True)  # what an earlier attempt left
    beside.mkdir()
    for name, content in files.items():
        with written_beside(beside / name) as file:
            file.write(content)
    sync_folder(beside)
    moved(beside, target)


def _metadata(session: Mapping[str, Any]) -> bytes:
    members = {
        name: session[name]
        for name in (
            *("id", "user_id", "project_id", "workspace_id", "is_active", "status", "tags"),
            *("is_pinned", "context", "metadata", "created_at", "updated_at", "message_count"),
        )
    }
    extras: dict[str, Any] = session["origin"]["extras"] if session["origin"] else {}
    return _encoded({**extras, "title": session["session_name"], **members})


def _messages(session: Mapping[str, Any]) -> bytes:
    return _encoded(
        [_message(message) for message in session["messages"] if message["deleted_at"] is None]
    )


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as trees hold it, with what its own source said of it at its old place."""
    metadata = dict(message["metadata"])
    kept: Any = metadata.pop(_KEPT_NAME, {})
    members = {
        "id": message["id"],
        "role": message["message_type"],
        "content": message["content"],
        "metadata": metadata,
        "created_at": message["created_at"],
    }
    others = {name: message[name] for name in ("user_id", "parent_id") if message[name] is not None}
    if not isinstance(kept, dict) or "json" in kept:
        members["metadata"] = message["metadata"]
        return {**members, **others}
    said = cast("dict[str, Any]", kept)
    if "message_type" in said:
        said["role"] = said.pop("message_type")
    return {**members, **others, **said}


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
