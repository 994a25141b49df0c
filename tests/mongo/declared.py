"""Whether what lies in a database is what its declarations say; they are never asked elsewhere."""

from typing import Any

from pydantic import BaseModel, ValidationError
from pymongo.asynchronous.database import AsyncDatabase

from app.store.mongo.documents import (
    CheckDocument,
    Chore,
    DeletionMarkDocument,
    Meta,
    Segment,
    SessionHead,
    StoredLedgerEntry,
    StoredOwnedDocument,
)

Document = dict[str, Any]


async def undeclared_in(database: AsyncDatabase[Document]) -> list[str]:
    """What is in the database otherwise than it is declared, a line for each finding."""
    findings: list[str] = []
    for name in await database.list_collection_names():
        async for document in database[name].find({}):
            model = _declaration_of(name, document)
            try:
                model.model_validate(document)
            except ValidationError as error:
                findings.extend(
                    f"{name} {model.__name__} {'.'.join(map(str, one['loc']))}: {one['msg']}"
                    for one in error.errors()
                )
    return findings


def _declaration_of(collection: str, document: Document) -> type[BaseModel]:
    match collection:
        case "sessions":
            return DeletionMarkDocument if "deleted_at" in document else SessionHead
        case "segments":
            return Segment
        case "chores":
            return Chore
        case "ledgers":
            return StoredLedgerEntry
        case "documents":
            return StoredOwnedDocument
        case "meta":
            return Meta if document["_id"] == "store" else CheckDocument
        case _:
            raise AssertionError(f"nobody declared the collection {collection}")
