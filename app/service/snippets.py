"""Snippets: the part of a text around the first thing that a search has found in it."""

import re

from app.domain.search import SearchQuery, terms_of

SNIPPET_CHARACTERS = 160
_LEAD_CHARACTERS = 40  # what is shown before the match
_SCAN_LIMIT_CHARACTERS = 50_000  # a match further on shows the beginning instead
_WORD = re.compile(r"\S+")


def snippet_of(text: str, query: SearchQuery) -> str:
    """About `SNIPPET_CHARACTERS` of the text in one line, with an ellipsis where it was cut."""
    start = max(0, _first_match(text, query) - _LEAD_CHARACTERS)
    if start:
        # Begin at a word where one begins nearby; text without spaces is cut where it is.
        space = text.find(" ", start - 1, start + _LEAD_CHARACTERS // 2)
        start = space + 1 if space >= 0 else start
    end = start + SNIPPET_CHARACTERS
    shown = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def _first_match(text: str, query: SearchQuery) -> int:
    for word in _WORD.finditer(text, 0, _SCAN_LIMIT_CHARACTERS):
        terms = tuple(terms_of(word[0]))
        for phrase in query.phrases:
            if phrase.is_in(terms):
                # Folding may change lengths; being a little off moves the window, nothing more.
                return word.start() + max(0, word[0].casefold().find(phrase.terms[0]))
    return 0
