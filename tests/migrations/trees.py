"""Trees of session files for tests: small ones written here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.migrations.sources import at


def said(id: str | None, content: Any, **members: Any) -> dict[str, Any]:  # noqa: A002 - of the source
    """A message as trees hold it."""
    return {"id": id, "role": "user", "content": content, "created_at": at(1), **members}


def write_session(
    folder: Path,
    messages: Sequence[Any] | bytes | None = (),
    metadata: dict[str, Any] | bytes | None = None,
) -> Path:
    """One session's folder; bytes are files as they are, None is a file that is not there."""
    folder.mkdir(parents=True)
    if isinstance(messages, bytes):
        (folder / "messages.json").write_bytes(messages)
    elif messages is not None:
        (folder / "messages.json").write_text(json.dumps(list(messages), indent=1))
    if isinstance(metadata, bytes):
        (folder / "metadata.json").write_bytes(metadata)
    elif metadata is not None:
        (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def meta(**members: Any) -> dict[str, Any]:
    """A session's metadata, of `ada`."""
    return {"user_id": "ada", "title": "T", "created_at": at(0), **members}
