"""Chain ends: where each chain of segments ended when this process last saw it."""

from collections import OrderedDict
from dataclasses import dataclass

_LIMIT = 10_000


@dataclass(slots=True)
class ChainEnd:
    """The newest segment of a session, and what lies in the head behind it."""

    generation: str
    newest_segment: str
    live_bytes: int
    """About, and with the appends that are on their way."""


class ChainEnds:
    """What appends with ids of the client start from, and seals renew.

    A wrong one costs round trips only, since the update that comes of it is filtered on it.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, ChainEnd] = OrderedDict()

    def find(self, head_id: str) -> ChainEnd | None:
        """None where there is no segment, or none was seen."""
        return self._known.get(head_id)

    def learn(
        self,
        head_id: str,
        generation: str,
        newest_segment: str | None,
        live_bytes: int,
        *,
        is_estimate_void: bool = False,
    ) -> None:
        """Keep what a head says; the ones seen least lately are forgotten."""
        if newest_segment is None:
            self._known.pop(head_id, None)
            return
        known = self._known.get(head_id)
        if (
            known is None
            or is_estimate_void
            or (known.generation, known.newest_segment) != (generation, newest_segment)
        ):
            self._known[head_id] = ChainEnd(generation, newest_segment, live_bytes)
        else:
            known.live_bytes = max(known.live_bytes, live_bytes)
        self._known.move_to_end(head_id)
        if len(self._known) > _LIMIT:
            self._known.popitem(last=False)
