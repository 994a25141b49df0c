"""Undone: what a rollback does with a session, or with a document beside it."""

from enum import StrEnum


class Undone(StrEnum):
    """What a rollback has made of what a run had stored."""

    REMOVED = "removed"
    """The run had made it."""
    RESTORED = "restored"
    """It is again what it was before the run."""
    UNTOUCHED = "untouched"
    """The run had not changed it."""
    LEFT = "left"
    """Its user, or a later run, has changed it since."""
    GONE = "gone"
    """Its user has deleted it."""
