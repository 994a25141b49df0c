"""FaultError: why a record cannot be placed, raised by whatever part of a format finds it out."""

from app.domain.folding import Reason


class FaultError(Exception):
    """A record cannot be placed; the sentence quotes nothing of it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
