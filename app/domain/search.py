"""What can be found and how: the terms of a text, the phrases of a query, the hits.

The terms are ours alone, so that every store finds the same. Words are runs of letters and digits,
case-folded and without diacritics. A run of CJK characters, which has no spaces, becomes its
overlapping pairs and then its last character, so that two neighbouring characters, or one, can be
found.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from app.domain.page import Page
from app.errors import Fault, InvalidInputError

TERMS_VERSION = 1
"""Raised with every change of `terms_of`; stores then build their index anew."""

QUERY_LIMIT_CHARACTERS = 500
_TERM_LIMIT_CHARACTERS = 64  # longer words are found by their beginning

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_ASCII_RUNS = "".join(chr(n).lower() if chr(n).isalnum() else " " for n in range(128))
"""What every character of ASCII becomes, so that a split gives the same runs, and far faster."""
_IS_CJK = re.compile(rf"[{_CJK}]")
_CJK_PAIR = re.compile(rf"[{_CJK}]{{2}}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Terms that must follow one another; `is_prefix` where the last one may go on."""

    terms: tuple[str, ...]
    is_prefix: bool = False

    def is_in(self, terms: tuple[str, ...]) -> bool:
        """Whether a text with these terms has the phrase."""
        size = len(self.terms)
        *head, last = self.terms
        for start in range(len(terms) - size + 1):
            if list(terms[start : start + size - 1]) != head:
                continue
            found = terms[start + size - 1]
            if found == last or (self.is_prefix and found.startswith(last)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """All phrases must be in the text, in any order."""

    text: str
    phrases: tuple[Phrase, ...]

    def matches(self, text: str) -> bool:
        """Whether the text is found by this query."""
        terms = tuple(terms_of(text))
        return all(phrase.is_in(terms) for phrase in self.phrases)


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message or, where `seq` is None, a session's name that a query has found."""

    session_id: str
    session_name: str | None
    seq: int | None
    message_id: str | None
    message_type: str | None
    text: str
    """The whole text; doors cut a snippet out of it."""
    created_at: datetime
    """Of the message, or of the session whose name was found; hits come newest first."""


@dataclass(frozen=True, slots=True)
class SearchHits(Page[SearchHit]):
    """Some hits in order, and what was not looked at to find them."""

    sessions_left_out: int = 0
    """How many of the user's sessions, the longest unchanged, a bounded search did not look at."""


def terms_of(text: str) -> list[str]:
    """The terms of a text in order; ASCII letters and digits, or characters beyond ASCII, only."""
    if text.isascii():
        runs = text.translate(_ASCII_RUNS).split()
        if max(map(len, runs), default=0) <= _TERM_LIMIT_CHARACTERS:
            return runs
        return [run[:_TERM_LIMIT_CHARACTERS] for run in runs]
    terms: list[str] = []
    for run in _RUN.findall(_folded(text)):
        if _IS_CJK.match(run):
            terms.extend(run[index : index + 2] for index in range(len(run) - 1))
            terms.append(run[-1])
        else:
            terms.append(run[:_TERM_LIMIT_CHARACTERS])
    return terms


def parse_query(text: str) -> SearchQuery:
    """What a caller wants found: each word in any order, the parts of a word in theirs.

    Raises:
        InvalidInputError: there is nothing in it to search for, or too much.
    """
    if len(text) > QUERY_LIMIT_CHARACTERS:
        raise InvalidInputError(
            Fault("q", f"must have at most {QUERY_LIMIT_CHARACTERS} characters")
        )
    phrases: list[Phrase] = []
    for word in text.split():
        terms = terms_of(word)
        if not terms:
            continue
        if _IS_CJK.match(terms[-1]):
            # The lone last character stands for the end of a run; a query need not end there.
            ends_a_pair = len(terms) > 1 and _CJK_PAIR.fullmatch(terms[-2])
            phrases.append(
                Phrase(tuple(terms[:-1])) if ends_a_pair else Phrase(tuple(terms), is_prefix=True)
            )
        else:
            phrases.append(Phrase(tuple(terms)))
    if not phrases:
        raise InvalidInputError(Fault("q", "must hold at least one letter or digit to search for"))
    return SearchQuery(text, tuple(phrases))


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    stripped = "".join(c for c in decomposed if not unicodedata.combining(c))
    # Hangul was taken apart as well, and comes back together here.
    return unicodedata.normalize("NFC", stripped).casefold()
