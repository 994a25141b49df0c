"""Texts of messages that differ, with words as unequally frequent as those of a language."""

import random
from itertools import accumulate

_SEED = 2026
_WORDS = 10_000
_LETTERS = "etaoinshrdlucmfwypvbgk"
_LETTERS_IN_WORD = (2, 9)


def texts(characters: int, count: int) -> list[str]:
    """So many texts of about a length; the same in every run, and nothing that JSON escapes."""
    chance = random.Random(_SEED)  # noqa: S311 - made to be repeated, not to be secret
    words = [
        "".join(chance.choices(_LETTERS, k=chance.randint(*_LETTERS_IN_WORD)))
        for _ in range(_WORDS)
    ]
    weights = list(accumulate(1 / (rank + 3) for rank in range(_WORDS)))  # Zipf's law
    drawn = " ".join(
        chance.choices(words, cum_weights=weights, k=count * characters // _LETTERS_IN_WORD[0])
    )
    return [
        drawn[start : start + characters].strip()
        for start in range(0, count * characters, characters)
    ]
