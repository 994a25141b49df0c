"""JSON trees: a folder per session, with its `metadata.json` and its `messages.json`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from app.domain.folding import Reason
from app.domain.free_json import encode_json
from app.domain.identity import checked_id
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import SourceError
from app.formats.embedded_messages import EmbeddedMessages, Owner
from app.formats.faults import FaultError
from app.formats.loose_json import decoded_loosely, decoded_strictly, sound_members
from app.formats.near_names import NearNames
from app.formats.nested_places import fault_position
from app.formats.port import FaultyRecord, Notation, RawRecord, Record, SessionRecord
from app.formats.salvage import salvaged_members, salvaged_objects
from app.formats.session_documents import DAMAGED_MEMBERS, split_options
from app.formats.session_fields import SESSION_NAMES, SessionFieldsReader
from app.formats.source_ids import id_in
from app.formats.times import zone_named
from app.formats.tree_folder import TreeFolder
from app.formats.tree_source import MESSAGES, METADATA


class _Read(NamedTuple):
    """What a file says, and what it cannot say any more."""

    members: dict[str, Any]
    elements: Sequence[Any]
    losses: list[str]
    is_checked: bool = False
    """Whether the elements are JSON in UTF-8 for sure."""


class JSONTree:
    """The format of session folders. What is damaged is read as far as it is whole.

    The folder's name is the session's id, and that of its project the project's. Raises as
    `SessionDocuments` does.
    """

    name = "json-tree"

    def __init__(self, options: SourceOptions = AS_IT_IS) -> None:
        of_messages, of_sessions = split_options(options.fields)
        zone = zone_named(options.time_zone)
        self._names = NearNames(SESSION_NAMES, of_sessions)
        self._fields = SessionFieldsReader(self._names, zone)
        self._messages = EmbeddedMessages(of_messages, zone)

    def records(
        self,
        raw_records: Iterable[RawRecord],
        notation: Notation = Notation.JSON,  # noqa: ARG002 - the port's; a tree has one only
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        """One record for each session, its messages, and each loss; see the port."""
        for position, raw, _ in raw_records:
            folder = TreeFolder.from_bytes(raw or b"")
            try:
                session_id = checked_id(folder.session_id)
                project_id = folder.project_id and checked_id(folder.project_id)
            except ValueError as error:
                detail = f"The folder's name is no id: it {error}."
                yield FaultyRecord(position, Reason.INVALID_ID, detail, b"")
                continue
            metadata = _read_metadata(folder.metadata)
            messages = self._read_messages(folder.messages)
            losses = [*folder.faults, *metadata.losses, *messages.losses]
            if folder.metadata is not None or folder.messages is not None:
                yield from self._session(
                    position, session_id, project_id, metadata.members, messages, losses
                )
            for number, loss in enumerate(losses):
                place = fault_position(position, number)
                yield FaultyRecord(place, Reason.DAMAGED_BYTES, loss, b"")

    def _session(
        self,
        position: int,
        session_id: str,
        project_id: str | None,
        metadata: dict[str, Any],
        messages: _Read,
        losses: list[str],
    ) -> Iterator[Record | SessionRecord | FaultyRecord]:
        sound = sound_members(metadata)
        if len(sound) < len(metadata):
            losses.append(f"{METADATA}: {DAMAGED_MEMBERS}")
        known, rest = self._names.split(sound)
        rest.update({f"{MESSAGES}:{n}": v for n, v in sound_members(messages.members).items()})
        for name, own in (("id", session_id), ("project_id", project_id)):
            said = known.get(name)
            if own is not None and said not in (None, "", own):
                rest[self._names.name(name)] = said
        if known.get("messages") is not None:
            rest[self._names.name("messages")] = known["messages"]
        known.pop("messages", None)
        if project_id is not None:
            known["project_id"] = project_id
        try:
            user_id = id_in(known, "user_id")
        except FaultError:
            user_id = None
            rest[self._names.name("user_id")] = known["user_id"]
        told = self._fields.read(known, rest, messages.elements)
        raw = encode_json([known, rest])
        yield SessionRecord(position, session_id, user_id, told.fields, raw, told.findings)
        owner = Owner(session_id, user_id, told.instant_microseconds)
        yield from self._messages.records(
            messages.elements, owner, position + 1, is_checked=messages.is_checked
        )

    def _read_messages(self, raw: bytes | None) -> _Read:
        if raw is None:
            return _Read({}, [], [])
        if not raw.strip(b"\0 \t\r\n"):
            return _Read({}, [], [_nothing(MESSAGES, raw)])
        is_checked = True
        try:
            decoded = decoded_strictly(raw)
        except ValueError:
            is_checked = False
            try:
                decoded = decoded_loosely(raw)
            except ValueError:
                objects, losses = salvaged_objects(raw, self._messages.is_message)
                return _Read({}, objects, [f"{MESSAGES}: {loss}" for loss in losses])
        if isinstance(decoded, list):
            return _Read({}, cast("Sequence[Any]", decoded), [], is_checked)
        if isinstance(decoded, dict):
            members = cast("dict[str, Any]", decoded)
            elements = members.pop("messages", None)
            if isinstance(elements, list):
                return _Read(members, cast("Sequence[Any]", elements), [], is_checked)
        return _Read({}, [], [f"{MESSAGES} holds no array of messages."])


def metadata_of(path: Path) -> Mapping[str, Any]:
    """What a session's metadata says, as far as it is whole; nothing where there is no such file.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        return _read_metadata(path.read_bytes()).members
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


def _read_metadata(raw: bytes | None) -> _Read:
    if raw is None:
        return _Read({}, [], [])
    if not raw.strip(b"\0 \t\r\n"):
        return _Read({}, [], [_nothing(METADATA, raw)])
    try:
        decoded = decoded_loosely(raw)
    except ValueError:
        objects, losses = salvaged_members(raw)
        told = [f"{METADATA}: {loss}" for loss in losses]
        return _Read(objects[0] if objects else {}, [], told)
    if isinstance(decoded, dict):
        return _Read(cast("dict[str, Any]", decoded), [], [])
    return _Read({}, [], [f"{METADATA} holds no object."])


def _nothing(name: str, raw: bytes) -> str:
    return f"{name} holds nothing but null bytes." if b"\0" in raw else f"{name} is empty."
