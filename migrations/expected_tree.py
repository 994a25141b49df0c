"""What the sessions of a JSON tree must become, damaged files included; by a way of its own."""

import json
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from app.domain.source_options import SourceOptions
from app.errors import SourceError
from migrations.expected_record import Row, ToldRow, id_of
from migrations.expected_session import SPACING, ExpectedDocuments, loosely_decoded, said_in, sound
from migrations.expected_source import OpenSource, SourceRecord

_LIMIT_BYTES = 64 * 1024 * 1024
_MAY_BE_OBJECT = re.compile(r"\{\s*[\"}]")
_BLANK = b"\0 \t\r\n"
_JSON = json.JSONDecoder(parse_constant=lambda constant: {"$numberDouble": constant})

_Document = dict[str, Any]


class ExpectedTree(ExpectedDocuments):
    """Tells of each folder what it must become."""

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(options)
        self._root = Path()
        self._paths: list[str] = []

    @contextmanager
    def opened(self, location: str, options: SourceOptions) -> Generator[OpenSource]:  # noqa: ARG002 - all is read
        """The tree, each record being the path of a folder.

        Raises:
            SourceError: it cannot be listed.
        """
        self._root = Path(location).resolve()
        try:
            self._paths = [
                *_below(self._root, "chat_sessions"),
                *(
                    path
                    for project in _below(self._root, "projects")
                    for path in _below(self._root, f"{project}/chat_sessions")
                ),
            ]
        except OSError as error:
            raise SourceError(f"{location} cannot be listed: {error.strerror}.") from error
        records = (
            SourceRecord(number, os.fsencode(path)) for number, path in enumerate(self._paths, 1)
        )
        yield OpenSource(location, None, "folder", is_bson=False, records=records, bytes_read=int)

    def rows(
        self,
        position: int,
        raw: bytes | None,
        *,
        is_bson: bool,  # noqa: ARG002 - of the protocol; never here
    ) -> Iterator[Row | ToldRow | None]:
        """What a folder says of its session, and each of its messages."""
        path = os.fsdecode(raw or b"")
        files = {name: self._content(f"{path}/{name}") for name in ("metadata", "messages")}
        if files["metadata"] is None and files["messages"] is None:
            return
        *_, project_id, _, session_id = ("", *path.split("/"))
        metadata = _first_object(files["metadata"] or b"")
        members, elements = self._elements(files["messages"] or b"")
        said, others = said_in(sound(metadata), self.names)
        others.update({f"messages.json:{name}": value for name, value in sound(members).items()})
        own = {"id": session_id, "project_id": project_id}
        for name, value in own.items():
            if value and said.get(name) not in (None, "", value):
                others[self.names[name][0]] = said[name]
            said[name] = value or said.get(name)
        if said.get("messages") is not None:
            others[self.names["messages"][0]] = said["messages"]
        try:
            id_of(said, "user_id")
        except ValueError:
            others[self.names["user_id"][0]] = said.pop("user_id")
        said["messages"] = elements
        yield from self.session_rows(position * SPACING, said, others)

    def place(self, position: int, word: str) -> str:  # noqa: ARG002 - the path is the word
        """Where a record is, in people's words."""
        number = position % SPACING
        path = self._paths[position // SPACING - 1]
        path = path.encode("utf-8", "backslashreplace").decode()
        return f"{path}, message {number}" if number else path

    def _content(self, name: str) -> bytes | None:
        path = (self._root / f"{name}.json").resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            return None
        if path.stat().st_size > _LIMIT_BYTES or not os.access(path, os.R_OK):
            return None
        return path.read_bytes()

    def _elements(self, raw: bytes) -> tuple[_Document, list[Any]]:
        """What stands beside an array of messages, and its elements."""
        if not raw.strip(_BLANK):
            return {}, []
        try:
            decoded = loosely_decoded(raw)
        except (ValueError, RecursionError):
            return {}, [one for one in _objects(raw) if self._is_message(one)]
        members: _Document = {}
        if isinstance(decoded, dict):
            members = cast("_Document", decoded)
            decoded = members.pop("messages", None)
        if not isinstance(decoded, list):
            return {}, []
        return members, list(cast("Sequence[Any]", decoded))

    def _is_message(self, document: _Document) -> bool:
        said, _ = said_in(document, self.message_names)
        return {"content", "message_type"} <= set(said)


def _below(root: Path, inner: str) -> list[str]:
    """The folders below one that is within the root, by name."""
    folder = root / inner
    if not folder.is_dir() or not folder.resolve().is_relative_to(root):
        return []
    names = (one.name for one in folder.iterdir() if one.is_dir())
    return [f"{inner}/{name}" for name in sorted(names) if name[0] != "."]


def _first_object(raw: bytes) -> _Document:
    """The object of a file, or its first whole one, or what its first one begins with."""
    if not raw.strip(_BLANK):
        return {}
    try:
        decoded = loosely_decoded(raw)
    except (ValueError, RecursionError):
        text = raw.decode("utf-8", "surrogateescape")
        return next(_objects(raw), None) or dict(_beginning(text, text.find("{") + 1))
    return cast("_Document", decoded) if isinstance(decoded, dict) else {}


def _objects(raw: bytes) -> Iterator[_Document]:
    """The whole objects in a damaged file that are no member's value."""
    text = raw.decode("utf-8", "surrogateescape")
    at = text.find("{")
    while at >= 0:
        before = at - 1
        while before >= 0 and (text[before].isspace() or text[before] == "["):
            before -= 1
        found = None
        if (before < 0 or text[before] != ":") and _MAY_BE_OBJECT.match(text, at):
            found = _whole_object(text, at)
        if found is not None:
            yield found[0]
        stop = at + 1 if found is None else found[1]
        at = text.find("{", stop)


def _whole_object(text: str, at: int) -> tuple[_Document, int] | None:
    """The object that stands here and where it ends; looked for in ever longer pieces."""
    for characters in (2_000, 100_000, 5_000_000, len(text)):
        piece = text[at : at + characters]
        is_all = at + characters >= len(text)
        try:
            value, length = _JSON.raw_decode(piece)
        except json.JSONDecodeError as fault:
            is_in_piece = fault.pos < characters - 20 and "Unterminated" not in fault.msg
            if is_all or is_in_piece:
                return None
        except (ValueError, RecursionError):
            return None
        else:
            return cast("_Document", value), at + length
    return None


def _beginning(text: str, at: int) -> Mapping[str, Any]:
    """The whole members of an object that has no end."""
    members: _Document = {}
    while at:
        while text[at : at + 1].isspace() or text[at : at + 1] == ",":
            at += 1
        if text[at : at + 1] != '"':
            break
        try:
            name, at = _JSON.raw_decode(text, at)
            at = _behind_blanks(text, at)
            if text[at : at + 1] != ":":
                break
            value, at = _JSON.raw_decode(text, _behind_blanks(text, at + 1))
        except (ValueError, RecursionError):
            break
        is_bounded = isinstance(value, str | dict | list)
        if not is_bounded and text[_behind_blanks(text, at) :][:1] not in {",", "}"}:
            break
        members[name] = value
    return members


def _behind_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at
