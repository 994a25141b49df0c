"""MigrationEngine: what the door for operators asks of the fold, in words of the domain."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from app.domain.migration import (
    FinishOrder,
    FoldOrder,
    JobSummary,
    RollbackOrder,
    RunOverview,
    WorkEvent,
)


class MigrationEngine(Protocol):
    """Plans, runs, verifies and undoes; one piece of work at a time in each process of the service.

    Sources are those that the operator of the machine has allowed, and no others. Every method
    that begins something raises:

        InvalidInputError: there is no such job, or it cannot read such a source.
        SourceNotAllowedError: the source lies elsewhere.
        EngineBusyError: this process is at work already.
        EngineRefusalError: the engine cannot begin with it.
        StoreError: the store failed; nothing that was begun goes on.
    """

    def jobs(self) -> Sequence[JobSummary]:
        """What can be done."""
        ...

    async def list_runs(self) -> Sequence[RunOverview]:
        """All runs that the ledgers know, whoever made them; the newest first."""
        ...

    async def get_run(self, run_id: str) -> RunOverview:
        """One run.

        Raises:
            UnknownRunError: there is none.
        """
        ...

    async def plan(self, order: FoldOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what a run would do; who closes the events ends the work."""
        ...

    async def verify(self, order: FoldOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to compare the store with a source; who closes the events ends the work."""
        ...

    async def start(self, order: FoldOrder) -> RunOverview:
        """Begin a run, or go on with one that did not end; it needs nobody to watch.

        Raises:
            RunBusyError: another process works on the run.
            RunStateError: it is being rolled back.
        """
        ...

    async def roll_back(self, order: RollbackOrder) -> RunOverview:
        """Begin to undo a run; it needs nobody to watch.

        Raises:
            UnknownRunError: there is none.
            RunBusyError: another process works on it.
            RunStateError: it is rolled back, or its source cannot be given back.
        """
        ...

    async def try_roll_back(self, order: RollbackOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what undoing a run would do; who closes the events ends the work.

        Raises what `roll_back` does.
        """
        ...

    async def finish(self, order: FinishOrder) -> RunOverview:
        """Begin to take from a source what a verified run has folded; it needs nobody to watch.

        Raises:
            UnknownRunError: there is none.
            RunBusyError: another process works on it.
            RunStateError: it is not the newest of its source, or not verified, or the source has
                changed since.
        """
        ...

    async def try_finish(self, order: FinishOrder) -> AsyncGenerator[WorkEvent]:
        """Begin to say what a finish would do; who closes the events ends the work.

        Raises what `finish` does.
        """
        ...

    async def stop(self, run_id: str) -> None:
        """Tell whoever works on a run on this machine to end between batches.

        Raises:
            UnknownRunError: there is none.
            RunStateError: nobody works on it.
            RunBusyError: a process works on it that cannot be told.
        """
        ...

    def events(self, run_id: str) -> AsyncGenerator[WorkEvent]:
        """How far a run is, as often as that is known, and its end; the newest is enough to know.

        Live where this process works on it, else from the ledger. Where the store fails, the end is
        that it is not known.

        Raises:
            UnknownRunError: there is none; from the iteration.
        """
        ...

    async def aclose(self) -> None:
        """Stop what is at work, and wait until it has."""
        ...
