"""Owned documents: what users have beside sessions, each in one document of its own collection."""

from collections.abc import Mapping
from typing import Any

from app.domain.free_json import encode_json
from app.domain.identity import Version, derived_id
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position
from app.errors import StoreBusyError
from app.store.mongo.appending import MAYBE_WRITTEN
from app.store.mongo.chain import damage_named
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import Document, loaded_json, stored_json
from app.store.mongo.guarded_puts import Standing, put_guarded

_TRIES = 20
_LATEST = {"list_order": -1, "document_id": -1}


class DocumentKeeper:
    """Keeps the owned documents of one store."""

    def __init__(self, collections: Collections) -> None:
        self._documents = collections.documents

    async def put(self, document: OwnedDocument, replaces: Version | None) -> bool:
        """Store a document in place of that version, or say that it is there; see the port."""

        async def look() -> Standing:
            existing = await self.find(document.key)
            if existing == document:
                return Standing.STORED
            is_as_before = replaces == (existing and existing.version)
            return Standing.AS_BEFORE if is_as_before else Standing.OTHER

        by_key = _by_key(document.key)
        replaced = None if replaces is None else {**by_key, **_of_version(replaces)}
        stored = _stored(document)
        return await put_guarded(self._documents, stored, replaced, look, what="The document")

    async def find(self, key: DocumentKey) -> OwnedDocument | None:
        """A document, or None."""
        found = await self._documents.find_one(_by_key(key))
        return None if found is None else _loaded(found)

    async def list_page(
        self, user_id: str, kind: str, group: str | None, limit: int, after: Position | None
    ) -> Page[OwnedDocument]:
        """Some of a user's documents of a kind, in falling order."""
        condition: Document = {"user_id": user_id, "kind": kind}
        if group is not None:
            condition["group"] = group
        if after is not None:
            order, document_id = after
            condition["$or"] = [
                {"list_order": {"$lt": order}},
                {"list_order": order, "document_id": {"$lt": document_id}},
            ]
        by_index = {
            "user_id": -1,
            "kind": -1,
            **({} if group is None else {"group": -1}),
            **_LATEST,
        }
        cursor = self._documents.find(condition).sort(list(by_index.items())).limit(limit + 1)
        documents = [_loaded(one) for one in await cursor.to_list()]
        items = tuple(documents[:limit])
        return Page(items, items[-1].position if len(documents) > limit else None)

    async def remove(self, key: DocumentKey, version: Version) -> bool:
        """Remove a document of that version; says whether there was one."""
        condition = {**_by_key(key), **_of_version(version)}
        was_tried = False
        for _ in range(_TRIES):
            try:
                removed = (await self._documents.delete_one(condition)).deleted_count > 0
            except MAYBE_WRITTEN:
                was_tried = True
                continue
            return removed or (was_tried and await self.find(key) is None)
        raise StoreBusyError("The connection broke again and again while a document was removed.")

    async def list_keys(self, after: DocumentKey | None, limit: int) -> list[DocumentKey]:
        """The next keys of all users, in order."""
        condition: Document = {}
        if after is not None:
            user_id, kind, document_id = after
            condition["$or"] = [
                {"user_id": {"$gt": user_id}},
                {"user_id": user_id, "kind": {"$gt": kind}},
                {"user_id": user_id, "kind": kind, "document_id": {"$gt": document_id}},
            ]
        names = ("user_id", "kind", "document_id")
        cursor = self._documents.find(condition, dict.fromkeys(names, 1))
        found = await cursor.sort([(name, 1) for name in names]).limit(limit).to_list()
        with damage_named("document"):
            return [DocumentKey(*(one[name] for name in names)) for one in found]

    async def forget_user(self, user_id: str) -> int:
        """Remove a user's; returns how many there were."""
        return (await self._documents.delete_many({"user_id": user_id})).deleted_count


def _by_key(key: DocumentKey) -> Document:
    return {"_id": derived_id("owned-document", *key), "user_id": key.user_id}


def _of_version(version: Version) -> Document:
    return {"generation": version.generation, "revision": version.revision}


def _stored(document: OwnedDocument) -> Document:
    return {
        **_by_key(document.key),
        "kind": document.key.kind,
        "document_id": document.key.id,
        **_of_version(document.version),
        "group": document.group,
        "list_order": document.order,
        "body": stored_json(document.members),
    }


def _loaded(stored: Mapping[str, Any]) -> OwnedDocument:
    with damage_named("document"):
        return OwnedDocument(
            DocumentKey(stored["user_id"], stored["kind"], stored["document_id"]),
            Version(stored["generation"], stored["revision"]),
            stored["group"],
            stored["list_order"],
            encode_json(loaded_json(stored["body"])),
        )
