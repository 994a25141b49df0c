"""Positions: a set of record numbers, a bit each where they lie close, as those of a source do."""

_BLOCK_BITS = 10
_PLACE_IN_BLOCK = (1 << _BLOCK_BITS) - 1


class Positions:
    """Ten million of them, one after the other, take two megabytes; far apart, as much as a set."""

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __contains__(self, position: int) -> bool:
        """Whether this is one of them."""
        bits = self._blocks.get(position >> _BLOCK_BITS, 0)
        return bool(bits >> (position & _PLACE_IN_BLOCK) & 1)

    def add(self, position: int) -> bool:
        """Take it in; False where it was there."""
        if position in self:
            return False
        block = position >> _BLOCK_BITS
        self._blocks[block] = self._blocks.get(block, 0) | 1 << (position & _PLACE_IN_BLOCK)
        self._count += 1
        return True
