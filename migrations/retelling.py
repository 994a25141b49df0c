"""Retelling: headers of folded sessions follow their source, where no user has changed them."""

from dataclasses import replace
from datetime import datetime

from app.domain.free_json import canonical_json
from app.domain.identity import SessionKey, derived_generation
from app.domain.image import SessionImage
from app.domain.session import SessionFields, SessionHeader
from app.domain.source_session import SourceFields
from app.store.port import SessionStore

_TRIES = 5
_MEMBERS = (*SessionFields.model_fields, "created_at", "updated_at", "origin")


def retold_header(header: SessionHeader, told: SourceFields) -> SessionHeader | None:
    """The header as the source has it by now, at the next revision; None where it is so already.

    Once a user has changed anything but by appending, what users can write is left as it is: nobody
    knows what it was that they changed.
    """
    members = {} if header.changes else dict(told.own)
    created_at = told.created_at or header.created_at
    members |= {"created_at": created_at, "updated_at": _updated_at(header, told, created_at)}
    if header.origin is not None:
        members["origin"] = header.origin.model_copy(update={"extras": told.extras})
    retold = header.model_copy(update=members)
    if _said_by(retold) == _said_by(header):
        return None
    return retold.model_copy(update={"revision": header.revision + 1})


async def retell(store: SessionStore, key: SessionKey, told: SourceFields, run_id: str) -> bool:
    """Bring the header over; says whether this run has done that, now or before it was killed.

    A session that is written to all the time is left as it is: verify names it.

    Raises:
        SessionNotFoundError: its user has deleted it.
        StoreError: the store failed; this may be repeated.
    """
    generation = retold_generation(run_id, key)
    for _ in range(_TRIES):
        image = await store.read_image(key)
        if image.header.generation == generation:
            return True
        retold = retold_header(image.header, told)
        if retold is None:
            return False
        header = retold.model_copy(update={"generation": generation})
        if await store.take_back(key, image.header.version, replace(image, header=header)):
            return True
    return False


def retold_generation(run_id: str, key: SessionKey) -> str:
    """What a session gets whose header this run brings over.

    A generation of its own, since `since` tells clients nothing of what was not changed in
    Chatfold; always the same, so that a run that was killed knows what it has done.
    """
    return derived_generation("retold-session", run_id, *key)


def with_header_of(image: SessionImage, before: SessionHeader) -> SessionImage:
    """The image as if its header had never been retold; messages and counts stay."""
    members = {name: getattr(before, name) for name in _MEMBERS}
    return replace(image, header=image.header.model_copy(update=members))


def _updated_at(header: SessionHeader, told: SourceFields, created_at: datetime) -> datetime:
    if told.updated_at is None:
        return header.updated_at
    has_only_been_folded = header.revision == 1
    return max(told.updated_at, created_at if has_only_been_folded else header.updated_at)


def _said_by(header: SessionHeader) -> bytes:
    return canonical_json(header.model_dump(mode="json", include={*_MEMBERS}))
