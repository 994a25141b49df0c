"""Chain ends: where each chain of segments ended when this process last saw it."""

from collections import OrderedDict

_LIMIT = 10_000


class ChainEnds:
    """What appends with ids of the client start from, and seals renew.

    A wrong one costs round trips only, since the update that comes of it is filtered on it.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def find(self, head_id: str) -> tuple[str, str] | None:
        """Generation and newest segment; None where there is no segment, or none was seen."""
        return self._known.get(head_id)

    def learn(self, head_id: str, generation: str, newest_segment: str | None) -> None:
        """Keep what a head says; the ones seen least lately are forgotten."""
        if newest_segment is None:
            self._known.pop(head_id, None)
            return
        self._known[head_id] = (generation, newest_segment)
        self._known.move_to_end(head_id)
        if len(self._known) > _LIMIT:
            self._known.popitem(last=False)
