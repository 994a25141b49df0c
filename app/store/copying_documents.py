"""Documents beside sessions in a copy: those that the target lacks or has in an earlier state."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import NamedTuple

from app.domain.owned_document import DocumentKey, OwnedDocument
from app.errors import CorruptDocumentError
from app.store.copy_report import Compared, Copied
from app.store.lives import is_user_erased_in
from app.store.port import SessionStore
from app.store.walking import Patience, in_pages, patiently, side_by_side


class _DocumentOfTwo(NamedTuple):
    """What two stores have under one key."""

    document: OwnedDocument | None
    there: OwnedDocument | None
    is_damaged: bool
    """Whether one of them cannot be decoded."""


async def copy_documents(
    source: SessionStore, target: SessionStore, copied: Copied, patience: Patience
) -> None:
    """Bring all documents but damaged ones; the target's own, and its later ones, stay."""
    async for document, there, is_damaged in _documents_of_both(source, target, patience):
        if is_damaged:
            copied.documents_left += 1
            continue
        if document is None or document == there:
            continue
        if there is not None and (
            there.version.generation != document.version.generation
            or there.version.revision >= document.version.revision
        ):
            copied.documents_left += 1
            continue
        if there is None and await _is_erased_there(source, target, document.key.user_id, patience):
            copied.documents_left += 1
            continue
        replaces = None if there is None else there.version
        put = partial(target.put_document, document, replaces=replaces)
        if await patiently(put, patience):
            copied.documents += 1
        else:
            copied.documents_left += 1  # someone has written to it this very moment


async def _is_erased_there(
    source: SessionStore, target: SessionStore, user_id: str, patience: Patience
) -> bool:
    """Whether the target has erased a user whom the source has not: nothing comes back then."""
    return await patiently(partial(is_user_erased_in, target, user_id), patience) and not (
        await patiently(partial(is_user_erased_in, source, user_id), patience)
    )


async def compare_documents(
    source: SessionStore, target: SessionStore, compared: Compared, patience: Patience
) -> None:
    """Count the documents that are the same in both stores, and those that are not."""
    async for document, there, is_damaged in _documents_of_both(source, target, patience):
        if document == there and not is_damaged:
            compared.equal_documents += 1
        else:
            compared.different_documents += 1


async def _documents_of_both(
    source: SessionStore, target: SessionStore, patience: Patience
) -> AsyncGenerator[_DocumentOfTwo]:
    """Every document that one of the stores has, in order, as each of them has it."""
    both = side_by_side(_keys_of(source, patience), _keys_of(target, patience), lambda key: key)
    async for key, _, _ in both:
        try:
            document = await patiently(partial(source.read_document, key), patience)
            there = await patiently(partial(target.read_document, key), patience)
        except CorruptDocumentError:
            yield _DocumentOfTwo(None, None, is_damaged=True)
        else:
            if document is not None or there is not None:
                yield _DocumentOfTwo(document, there, is_damaged=False)


def _keys_of(store: SessionStore, patience: Patience) -> AsyncGenerator[DocumentKey]:
    return in_pages(lambda after: store.list_document_keys(after=after), patience)
