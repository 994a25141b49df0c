"""StepLoop: an event loop that runs what can run and stops; time never passes in it.

It tells exactly when every task waits for something from outside, which a loop that watches
sockets cannot, and a loop that is never run again is a process that was killed.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

_TURN_LIMIT = 10_000


class StepLoop(asyncio.AbstractEventLoop):
    """What tasks, futures and `asyncio.wait` ask of a loop, and nothing else."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._is_running = False
        self.complaints: list[dict[str, Any]] = []
        """What nobody would have heard of: exceptions of callbacks and of forgotten tasks."""

    def run_ready(self) -> None:
        """Go on until every task waits for something."""
        events._set_running_loop(self)  # noqa: SLF001 - "for event loop implementers only"
        self._is_running = True
        try:
            for _ in range(_TURN_LIMIT):
                if not self._ready:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001 - what every loop does with its handles
            raise AssertionError("a task goes round and round without waiting for anything")
        finally:
            self._is_running = False
            events._set_running_loop(None)  # noqa: SLF001 - as above

    def end(self) -> None:
        """Let go of all tasks, so that none is left half done; what they wait for does not come."""
        for task in self._tasks:
            task.cancel()
        self.run_ready()
        assert all(task.done() for task in self._tasks)

    # --- what tasks and futures ask for -----------------------------------------------------

    def create_task(  # type: ignore[override] # the names of more arguments than we use
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def call_soon(  # type: ignore[override] # the stubs bind the arguments to the callback
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override] # as above
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Never."""
        return asyncio.TimerHandle(delay, callback, args, self, context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It would not have been called anyway."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(context)

    def time(self) -> float:
        return 0.0

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return False
