"""Segment notes: ids that the next segments of a session will have, noted before they are needed.

A note before each seal and its end would be half of the commands of a seal. So a note names the ids
of several seals to come; it is renewed when they are used up.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from app.clock import Clock
from app.store.mongo.chores import LOST_AFTER, Chores
from app.store.mongo.head import Head

_IDS_AT_ONCE = 8
_LIMIT = 1000
"""Of notes that wait here for the next seal of their session."""

_USED_FOR = LOST_AFTER / 2
"""From then on it is left alone: what it names may soon be removed where no head names it."""


@dataclass(slots=True)
class SegmentNote:
    """A note of this process, and what it may still be used for."""

    id: str
    generation: str
    segment_ids: list[str]
    """Those that no segment has had yet."""
    old_at: datetime


class SegmentNotes:
    """The notes of one process, one per head, the one used least lately first."""

    def __init__(self, chores: Chores, clock: Clock) -> None:
        self._chores = chores
        self._clock = clock
        self._notes: OrderedDict[str, SegmentNote] = OrderedDict()

    async def take(self, head: Head) -> SegmentNote:
        """A note with ids for the next segments of a head; for one seal at a time.

        It is given back once each of them is on a chain, or is not stored. After an error it never
        is: who tidies will look at it when it is due.
        """
        now = self._clock.now()
        note = self._notes.pop(head.id, None)
        if note is not None and (note.generation != head.generation or note.old_at <= now):
            await self._chores.drop([note.id])
            note = None
        if note is not None and note.segment_ids:
            return note
        ids = [uuid4().hex for _ in range(_IDS_AT_ONCE)]
        if note is not None and await self._chores.renew(note.id, ids):
            note_id = note.id
        else:
            note_id = await self._chores.note(head, segment_ids=ids)
        return SegmentNote(note_id, head.generation, ids, now + _USED_FOR)

    async def give_back(self, head: Head, note: SegmentNote) -> None:
        """Keep a note for the next seal; old ones, and those beyond the limit, are removed."""
        self._notes[head.id] = note
        now = self._clock.now()
        surplus: list[str] = []
        while (oldest := next(iter(self._notes.values()))) is not note and (
            oldest.old_at <= now or len(self._notes) > _LIMIT
        ):
            self._notes.popitem(last=False)
            surplus.append(oldest.id)
        if surplus:
            await self._chores.drop(surplus)

    async def aclose(self) -> None:
        """Remove the notes that wait here."""
        surplus = [note.id for note in self._notes.values()]
        self._notes.clear()
        if surplus:
            await self._chores.drop(surplus)
