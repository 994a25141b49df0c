"""Collections: where the store keeps things, and what its server cannot do of what we ask."""

from dataclasses import dataclass

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from app.store.mongo.encoding import Document


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections of one store; what each holds is declared in `documents.py`."""

    sessions: AsyncCollection[Document]
    segments: AsyncCollection[Document]
    chores: AsyncCollection[Document]
    ledgers: AsyncCollection[Document]
    documents: AsyncCollection[Document]
    meta: AsyncCollection[Document]
    can_project_changes: bool = True
    """Whether a head can be changed and a part of it be answered; else the whole head comes."""

    async def change_head(
        self, condition: Document, update: Document, projection: Document | None
    ) -> Document | None:
        """Change the head that meets a condition and return some or all of it as it is after that.

        None where there is none: nothing has changed then.
        """
        return await self.sessions.find_one_and_update(
            condition,
            update,
            projection=projection if self.can_project_changes else None,
            return_document=ReturnDocument.AFTER,
        )
