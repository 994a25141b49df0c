"""Plan of an import: what would become of each session, by the predicates of a run."""

from collections import Counter
from itertools import islice
from time import monotonic

from app.domain.identity import SessionKey, Version
from app.domain.image import SessionImage
from app.domain.source_options import AS_IT_IS, SourceOptions
from app.formats.port import Source
from app.progress import Progress, SilentProgress
from app.store.port import SessionStore
from migrations.import_batches import ImportBatch, import_batches
from migrations.import_targets import CREATED, Verdict, verdict_beside, verdict_on
from migrations.jobs.import_export import IMPORT_EXPORT
from migrations.outcomes import Observer, Tally, ignore
from migrations.plan import TIMED_MESSAGES
from migrations.report import PlanReport, SessionState, record_counts, session_counts
from migrations.space import ScratchStore


async def plan_import(
    source: Source,
    store: SessionStore,
    scratch: ScratchStore,
    *,
    options: SourceOptions = AS_IT_IS,
    free_bytes: int | None = None,
    progress: Progress | None = None,
    observer: Observer = ignore,
) -> PlanReport:
    """Say what an import would do; `free_bytes` is what there is for the store, where it is known.

    Sessions would be created, or are there already, as exported or later, or are refused: with the
    reasons of a run.

    Raises:
        SourceError: the source cannot be read.
        StoreError: the store cannot.
    """
    began_at_seconds = monotonic()
    progress = progress or SilentProgress()
    with source:
        tally = Tally(observer, source.place)
        planning = _Planning(store, tally)
        progress.begin("reading", source.size_bytes)
        for batch in import_batches(islice(source, options.limit), options, source.place):
            await planning.look_at(batch)
            progress.advance(source.bytes_read, tally.read)
        blank_lines = source.blank_lines
    tally.check_balance()
    reading_seconds = monotonic() - began_at_seconds
    storing_seconds, needed_bytes = await planning.cost(scratch)
    return PlanReport(
        job=IMPORT_EXPORT.name,
        source=source.name,
        records=record_counts(tally, blank_lines),
        sessions=session_counts(planning.sessions),
        messages_to_add=planning.messages_to_add,
        samples=[],
        estimated_run_seconds=reading_seconds + storing_seconds,
        needed_bytes=needed_bytes,
        free_bytes=free_bytes,
    )


class _Planning:
    """Looks at sessions as a run would, and remembers what to tell."""

    def __init__(self, store: SessionStore, tally: Tally) -> None:
        self.sessions: Counter[SessionState] = Counter()
        self.messages_to_add = 0
        self._store = store
        self._tally = tally
        self._planned: dict[SessionKey, Version] = {}
        """Sessions that the store would have by then."""
        self._timed: list[SessionImage] = []
        self._timed_places = 0

    async def look_at(self, batch: ImportBatch) -> None:
        """Count the sessions of a batch."""
        for key, image in batch.images.items():
            verdict = await self._verdict_on(image)
            batch.settle(key, verdict)
            if verdict == CREATED:
                self._planned[key] = image.header.version
                self._keep(image)
        self.sessions.update(batch.states)
        self.messages_to_add += batch.messages_added
        batch.add_to(self._tally)

    async def cost(self, scratch: ScratchStore) -> tuple[float, int]:
        """About how many seconds and bytes it takes to store them, told by a few."""
        empty_bytes = scratch.size_bytes()
        began_at_seconds = monotonic()
        for image in self._timed:
            await scratch.store.put_image(image)
        seconds = monotonic() - began_at_seconds
        places = self.messages_to_add + len(
            self._planned
        )  # a session without messages is some, too
        ratio = places / max(1, self._timed_places)
        return seconds * ratio, round((scratch.size_bytes() - empty_bytes) * ratio)

    async def _verdict_on(self, image: SessionImage) -> Verdict:
        planned = self._planned.get(image.header.key)
        return (
            await verdict_on(self._store, image)
            if planned is None
            else verdict_beside(planned, image)
        )

    def _keep(self, image: SessionImage) -> None:
        if self._timed_places < TIMED_MESSAGES:
            self._timed.append(image)
            self._timed_places += image.header.next_seq + 1
