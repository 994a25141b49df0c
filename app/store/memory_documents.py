"""Documents of the memory store: what its users have beside their sessions."""

from app.domain.identity import Version
from app.domain.owned_document import DocumentKey, OwnedDocument
from app.domain.page import Page, Position


class MemoryDocuments:
    """Documents by key; they are immutable, so none is anyone else's to change."""

    def __init__(self) -> None:
        self._documents: dict[DocumentKey, OwnedDocument] = {}

    def put(self, document: OwnedDocument, replaces: Version | None) -> bool:
        """Store a document in place of that version; see the port."""
        existing = self._documents.get(document.key)
        if existing == document:
            return True
        if replaces != (existing and existing.version):
            return False
        self._documents[document.key] = document
        return True

    def find(self, key: DocumentKey) -> OwnedDocument | None:
        """A document, or None."""
        return self._documents.get(key)

    def page(
        self, user_id: str, kind: str, group: str | None, limit: int, after: Position | None
    ) -> Page[OwnedDocument]:
        """Some of a user's documents of a kind, in falling order."""
        found = [
            one
            for one in self._documents.values()
            if (one.key.user_id, one.key.kind) == (user_id, kind)
            and group in (None, one.group)
            and (after is None or one.position < after)
        ]
        found.sort(key=lambda one: one.position, reverse=True)
        items = tuple(found[:limit])
        return Page(items, items[-1].position if len(found) > limit else None)

    def remove(self, key: DocumentKey, version: Version) -> bool:
        """Remove a document of that version; says whether there was one."""
        existing = self._documents.get(key)
        if existing is None or existing.version != version:
            return False
        del self._documents[key]
        return True

    def keys(self, after: DocumentKey | None) -> list[DocumentKey]:
        """All keys after one, in order."""
        return sorted(key for key in self._documents if after is None or key > after)

    def forget(self, user_id: str) -> int:
        """Remove a user's; returns how many there were."""
        owned = [key for key in self._documents if key.user_id == user_id]
        for key in owned:
            del self._documents[key]
        return len(owned)
