"""What old sessions must become, in the three kinds of documents that a source may hold."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast
from zoneinfo import ZoneInfo

from app.domain.source_options import SourceOptions
from migrations.expected_artifacts import artifact_row_of
from migrations.expected_record import Row, ToldRow, canonical, id_of, identity_of
from migrations.expected_session import SPACING, ExpectedDocuments, said_in, sound
from migrations.expected_values import is_extended

_ROLES = {"role", "message_type"}
_TEXTS = {"artifact_type", "content", "file_path", "versions"}
_SESSION_ONLY = {"messages", "artifacts", "title", "status", "workspace_id", "skill_id"}

_Document = dict[str, Any]


class ExpectedOldSessions(ExpectedDocuments):
    """Tells of each document what it must become: a session, or a part of one."""

    needs_session = True

    def __init__(self, options: SourceOptions) -> None:
        super().__init__(options)
        self.names = {name: theirs for name, theirs in self.names.items() if name != "project_id"}
        self._zone_of_artifacts = ZoneInfo(options.time_zone) if options.time_zone else None

    def rows(
        self, position: int, raw: bytes | None, *, is_bson: bool
    ) -> Iterator[Row | ToldRow | None]:
        """What a document says."""
        place = position * SPACING
        try:
            document = self._decoded(raw or b"", is_bson=is_bson)
            session_id = id_of(document, "session_id")
            is_other = id_of(document, "id") not in {"", session_id}
        except (ValueError, RecursionError):
            yield None
            return
        names = set(document)
        if names & _SESSION_ONLY or not session_id:
            yield from self._session(place, document)
        elif names & _ROLES:
            yield self._message_beside(place, session_id, document)
        elif names & _TEXTS:
            yield self._artifact(place, session_id, None, document)
        elif is_other:
            yield None
        else:
            yield from self._session(place, document)

    def _session(self, place: int, document: _Document) -> Iterator[Row | ToldRow | None]:
        artifacts = document.pop("artifacts", None)
        said, others = said_in(document, self.names)
        status, skill_id = said.get("status"), sound(others).get("skill_id")
        owner: ToldRow | None = None
        for row in self.session_rows(place, said, others):
            if isinstance(row, ToldRow):
                owner = row
                told = json.loads(row.fields)
                if status == "cancelled" and told["extras"] is not None:
                    told["status"] = "archived"
                told["project"] = {"status": status, "skill_id": skill_id}
                yield row._replace(fields=canonical(told))
            else:
                yield row
        if artifacts is None or owner is None:
            return
        elements = cast("Sequence[Any]", artifacts if isinstance(artifacts, list) else [None])
        for number, element in enumerate(elements, start=1):
            row_place = place + SPACING // 4 * 3 + number
            yield self._artifact(row_place, owner.session_id, owner.user_id, element)

    def _is_extended(self, document: _Document) -> bool:
        return is_extended(document.get("_id")) or super()._is_extended(document)

    def _message_beside(self, place: int, session_id: str, document: _Document) -> Row | None:
        if not sound({"": document}):
            return None
        pair = said_in(document, self.message_names)
        try:
            row = self._row(place, 0, session_id, None, pair, None)
        except (ValueError, OverflowError):
            return None
        if row is None:
            return None
        told = [row.instant, row.content, row.message_type, row.metadata]
        return row._replace(place=row.instant, identity=identity_of(row.id, told))

    def _artifact(
        self, place: int, session_id: str, owner: str | None, element: Any
    ) -> ToldRow | None:
        if not isinstance(element, dict) or not sound({"": element}):
            return None
        document = cast("_Document", element)
        try:
            user_id = id_of(document, "user_id") or None
            artifact = artifact_row_of(document, self._zone_of_artifacts)
        except (ValueError, OverflowError):
            return None
        fields = canonical({"artifact": artifact})
        return ToldRow(place, session_id, owner or user_id, fields, 0)
