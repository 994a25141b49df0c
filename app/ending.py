"""Ending: who keeps requests open without end is told when the process is to end."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_of_the_end(tell: Callable[[], None]) -> Generator[None]:
    """Within this, `tell` is called on the event loop once a signal wants the process to end.

    A server waits for the requests that run, and tells the application only after that; so who
    keeps one open has to hear of it from the signal. What the server makes of it stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are heard by the main thread only
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    heard = [number for number, handler in handlers.items() if callable(handler)]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, handlers[number])
