"""Positions: a set of record numbers, a bit each where they lie close, as those of a source do."""

_BITS_OF_BLOCK = 16
_BLOCK_BYTES = (1 << _BITS_OF_BLOCK) // 8


class Positions:
    """Ten million of them, one after the other, take little more than a megabyte."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __contains__(self, position: int) -> bool:
        """Whether this is one of them."""
        block = self._blocks.get(position >> _BITS_OF_BLOCK)
        place = position & (1 << _BITS_OF_BLOCK) - 1
        return block is not None and bool(block[place >> 3] & 1 << (place & 7))

    def add(self, position: int) -> bool:
        """Take it in; False where it was there."""
        if position in self:
            return False
        block = self._blocks.setdefault(position >> _BITS_OF_BLOCK, bytearray(_BLOCK_BYTES))
        place = position & (1 << _BITS_OF_BLOCK) - 1
        block[place >> 3] |= 1 << (place & 7)
        self._count += 1
        return True
