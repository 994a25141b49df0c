"""Images: sessions with all that the store knows of them, read and stored whole."""

from collections import defaultdict

from pydantic_core import from_json

from app.domain.identity import SessionKey
from app.domain.image import MessageImage, SessionImage
from app.domain.limits import StoreLimits
from app.domain.message import PastText, unplaced_part
from app.errors import SessionExistsError, StoreBusyError
from app.store.mongo.building import Built, built
from app.store.mongo.chain import Chain, HeadMovedError, damage_named
from app.store.mongo.chores import Chores
from app.store.mongo.collections import Collections
from app.store.mongo.encoding import (
    loaded_past_text,
    message_json,
    stored_message,
    stored_past_text,
)
from app.store.mongo.head import Head
from app.store.mongo.inserting import Inserter
from app.store.mongo.reading import HeadsMoving, Reader
from app.store.mongo.seal_plans import Budget
from app.store.port import PutOutcome

_TRIES = 20


class ImageKeeper:
    """Reads and stores images in one store."""

    def __init__(
        self,
        collections: Collections,
        reader: Reader,
        chain: Chain,
        inserter: Inserter,
        chores: Chores,
        limits: StoreLimits,
        budget: Budget,
    ) -> None:
        self._collections = collections
        self._reader = reader
        self._chain = chain
        self._inserter = inserter
        self._chores = chores
        self._limits = limits
        self._budget = budget

    async def read_image(self, key: SessionKey) -> SessionImage:
        """The session with all that is known of it; see the port."""
        return await self._reader.with_head(key, self._image_of)

    async def put_image(self, image: SessionImage) -> PutOutcome:
        """Hold the very session that another store holds; see the port."""
        new = self.built(image)
        moving = HeadsMoving()
        for _ in range(_TRIES):
            existing = await self._inserter.put_head(new, is_new=False)
            if existing is None:
                return PutOutcome.STORED
            if existing.version == image.header.version:
                return PutOutcome.PRESENT
            try:
                if not image.continues(await self._image_of(existing)):
                    raise SessionExistsError(image.header.id)
                if await self._replace(existing, new):
                    return PutOutcome.REPLACED
            except HeadMovedError:
                moving.note(existing)
        raise StoreBusyError("The session is being changed by too many others; try again.")

    def built(self, image: SessionImage) -> Built:
        """The image as this store keeps it.

        Raises:
            DocumentTooLargeError: a message or the header passes the limits.
            CorruptDocumentError: it does not fit together.
        """
        image.decoded_messages()
        self._limits.check_header(image.header.size_bytes())
        self._limits.check_messages(len(unplaced_part(one.stored_json)) for one in image.messages)
        return built(
            self._reader.head_id(image.header.key),
            image.header,
            image.creation_digest,
            [stored_message(from_json(one.stored_json), one.digest) for one in image.messages],
            budget=self._budget,
            appended_revisions=[one.appended_revision for one in image.messages],
            changed_revisions=[one.changed_revision for one in image.messages],
            past_texts=[
                stored_past_text(seq, past)
                for seq, one in enumerate(image.messages)
                for past in one.past_texts
            ],
        )

    async def _replace(self, existing: Head, new: Built) -> bool:
        """Put a later state in a head's place; False where the head was changed meanwhile."""
        segments = self._collections.segments
        old = [segment["_id"] for segment in await self._chain.on_chain(existing, {})]
        ids = [segment["_id"] for segment in new.segments]
        note = await self._chores.note(existing, segment_ids=[*old, *ids])
        for segment in new.segments:
            await segments.insert_one(segment)
        replaced = await self._collections.sessions.replace_one(
            existing.same_revision(), new.head.document
        )
        if not replaced.matched_count:
            user_id = existing.document["user_id"]
            await segments.delete_many({"user_id": user_id, "_id": {"$in": ids}})
        await self._chores.done(note, replaced=old if replaced.matched_count else ())
        return bool(replaced.matched_count)

    async def _image_of(self, head: Head) -> SessionImage:
        segments = await self._chain.on_chain(
            head, {"messages": 1, "corrections": 1, "past_texts": 1}
        )
        with damage_named():
            appended = {
                seq: message["revision"]
                for segment in segments
                for seq, message in enumerate(segment["messages"], segment["first_seq"])
            }
            appended.update(enumerate(head.appended_revisions(), head.sealed_count))
            past_texts: defaultdict[int, list[PastText]] = defaultdict(list)
            for past in [
                *(past for segment in segments for past in segment["past_texts"]),
                *head.past_texts,
            ]:
                past_texts[past["seq"]].append(loaded_past_text(past))
            revision_of_change = head.revisions_of_changes()
            messages: list[MessageImage] = []
            for seq, stored in await self._reader.all_messages(head):
                changed_revision = stored.get("changed_revision")
                if "change" in stored:
                    changed_revision = revision_of_change[stored["change"]]
                messages.append(
                    MessageImage(
                        message_json(seq, stored),
                        stored["digest"],
                        appended[seq],
                        changed_revision,
                        # A deleted message's may still lie in a segment for a moment.
                        () if "deleted_at" in stored else tuple(past_texts.get(seq, ())),
                    )
                )
        return SessionImage(head.header, head.document.get("creation_digest"), tuple(messages))
