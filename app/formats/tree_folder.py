"""TreeFolder: the files of one session of a JSON tree, on the way from the disk to the format."""

import json
from typing import NamedTuple


class TreeFolder(NamedTuple):
    """A folder with `metadata.json` and `messages.json`."""

    session_id: str
    """The folder's own name."""
    project_id: str | None
    """Of the project that the folder lies in."""
    metadata: bytes | None
    messages: bytes | None
    faults: list[str]
    """Why a file could not be read, in sentences for people."""

    def to_bytes(self) -> bytes:
        """One raw record: a line of JSON, then the files as they are."""
        head = {
            "session_id": self.session_id,
            "project_id": self.project_id,
            "metadata_bytes": None if self.metadata is None else len(self.metadata),
            "has_messages": self.messages is not None,
            "faults": self.faults,
        }
        return b"%b\n%b%b" % (json.dumps(head).encode(), self.metadata or b"", self.messages or b"")

    @classmethod
    def from_bytes(cls, raw: bytes) -> "TreeFolder":
        """What `to_bytes` has made."""
        line, _, files = raw.partition(b"\n")
        head = json.loads(line)
        size_bytes = head["metadata_bytes"] or 0
        return cls(
            head["session_id"],
            head["project_id"],
            None if head["metadata_bytes"] is None else files[:size_bytes],
            files[size_bytes:] if head["has_messages"] else None,
            head["faults"],
        )
