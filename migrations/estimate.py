"""RunEstimate: how long a run will take, told by the first of its batches."""

SAMPLE_RECORDS = 10_000


class RunEstimate:
    """What a run has taken so far, and for the rest the rate at which batches come to their end.

    Reading, sorting, and what the first batch waits for are over by then, and say nothing of the
    rest. Only from one end of a batch to another is it known what the records between them took.
    """

    def __init__(self, record_count: int, done: int) -> None:
        self.seconds: float | None = None
        """Of the whole run; None as long as too few records are stored to tell by."""
        self._record_count = record_count
        self._done = done
        self._first: tuple[int, float] | None = None

    def look(self, done: int, seconds: float) -> None:
        """Take note how many records are dealt with after so many seconds."""
        if self.seconds is not None or done == self._done:
            return
        self._done = done
        if self._first is None:
            self._first = done, seconds
            return
        first_done, first_seconds = self._first
        if done - first_done >= SAMPLE_RECORDS:
            per_record = (seconds - first_seconds) / (done - first_done)
            self.seconds = seconds + (self._record_count - done) * per_record
