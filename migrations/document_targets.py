"""What a run may do with a document's place in the store: the predicates of plan and run."""

from typing import Any, cast

from app.domain.identity import Version
from app.domain.owned_document import OwnedDocument
from app.domain.projecting import made_generation
from migrations.ledger_documents import DocumentState

_ORIGIN = "origin"
_RUN = "run_id"


def look_at_document(stored: OwnedDocument | None, wanted: OwnedDocument) -> DocumentState:
    """What is to be done where this is stored; one that was deleted counts as never made."""
    if stored is None:
        return DocumentState.CREATED
    if stored.version == wanted.version:
        return DocumentState.CREATED  # by this run, before it was killed
    if _origin(stored) != _origin(wanted):
        return DocumentState.REFUSED
    if not is_as_made(stored):
        return DocumentState.CHANGED_SINCE
    is_same = _said(stored) == _said(wanted) and stored.group == wanted.group
    return DocumentState.UNCHANGED if is_same else DocumentState.REPLACED


def is_as_made(stored: OwnedDocument) -> bool:
    """Whether nobody has changed a document since the run that its origin names."""
    run_id = str(_whole_origin(stored).get(_RUN))
    return stored.version == Version(made_generation(run_id, stored.key), 1)


def _whole_origin(document: OwnedDocument) -> dict[str, Any]:
    origin = document.members.get(_ORIGIN)
    return cast("dict[str, Any]", origin) if isinstance(origin, dict) else {}


def _origin(document: OwnedDocument) -> tuple[Any, Any]:
    origin = _whole_origin(document)
    return origin.get("format"), origin.get("source_id")


def _said(document: OwnedDocument) -> dict[str, Any]:
    """All but the run that said it."""
    origin = {name: value for name, value in _whole_origin(document).items() if name != _RUN}
    return {**document.members, _ORIGIN: origin}
