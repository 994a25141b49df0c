"""Told errors: what went wrong in one process, raised as the same error in the one that waits."""

from collections.abc import Iterator
from typing import Any

from app.errors import (
    AppError,
    EngineRefusalError,
    RunBusyError,
    RunStateError,
    RunTakenOverError,
    StoreError,
    UnknownRunError,
)

_SAME = (StoreError, RunBusyError, RunStateError, RunTakenOverError, UnknownRunError)
"""What means the same wherever it is met; their members are plain values."""


def told(error: AppError) -> dict[str, Any]:
    """The error as one that JSON can carry."""
    return {
        "code": error.code,
        "reason": f"{error.title}: {error}",
        "text": str(error),
        "members": vars(error) if isinstance(error, _SAME) else {},
    }


def error_of(said: dict[str, Any]) -> AppError:
    """The error that was told; a refusal where it was one of the source or of the order."""
    for kind in _kinds(*_SAME):
        if kind.code == said["code"]:
            # Not called: each kind makes its text of other arguments, and the text is made.
            error = kind.__new__(kind, said["text"])
            vars(error).update(said["members"])
            return error
    return EngineRefusalError(said["reason"])


def _kinds(*kinds: type[AppError]) -> Iterator[type[AppError]]:
    for kind in kinds:
        yield kind
        yield from _kinds(*kind.__subclasses__())
