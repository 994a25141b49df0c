"""Project contents: what belongs to a project beside its sessions, and goes with it."""

from collections.abc import AsyncIterator

from app.domain import artifact, project_context
from app.domain.owned_document import OwnedDocument
from app.domain.page import Position
from app.store.port import SessionStore

_AT_ONCE = 10
"""Documents may be a mebibyte each."""


async def remove_contents(store: SessionStore, user_id: str, project_id: str) -> None:
    """Remove what a project has learnt and made; where this was broken off, it goes on.

    An artifact goes after its versions, since without it nobody would find them.
    """
    async for entry in documents_of(store, user_id, project_context.KIND, project_id):
        await store.remove_document(entry.key, entry.version)
    async for made in documents_of(store, user_id, artifact.KIND, project_id):
        for kind in artifact.KINDS_OF_PARTS:
            async for part in documents_of(store, user_id, kind, made.key.id):
                await store.remove_document(part.key, part.version)
        await store.remove_document(made.key, made.version)


async def documents_of(
    store: SessionStore, user_id: str, kind: str, group: str | None = None
) -> AsyncIterator[OwnedDocument]:
    """All documents of a kind, of one group where it is given, in falling order.

    A few are in memory at a time; each may be removed when it is seen.
    """
    after: Position | None = None
    while True:
        page = await store.list_documents(user_id, kind, group=group, limit=_AT_ONCE, after=after)
        for document in page.items:
            yield document
        after = page.next_position
        if after is None:
            return
