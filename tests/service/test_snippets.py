"""Snippets show what was found, in one short line."""

import pytest

from app.domain.search import parse_query
from app.service.snippets import SNIPPET_CHARACTERS, snippet_of


@pytest.mark.parametrize(
    ("text", "query", "snippet"),
    [
        ("short", "short", "short"),
        ("two\nlines\t and  blanks", "lines", "two lines and blanks"),
        ("", "x", ""),
        ("x" * 200, "absent", "x" * 160 + "…"),
        ("a " * 100 + "needle", "needle", "…" + "a " * 20 + "needle"),
        ("昨" * 100 + "北京" + "天" * 200, "北京", "…" + "昨" * 40 + "北京" + "天" * 118 + "…"),
        ("x " * 100 + "Größe", "GRÖSSE", "…" + "x " * 20 + "Größe"),
        ("x " * 100 + "foo-bar", "bar", "…" + "x " * 18 + "foo-bar"),
    ],
)
def test_a_snippet_shows_the_match(text: str, query: str, snippet: str) -> None:
    assert snippet_of(text, parse_query(query)) == snippet


def test_a_match_far_into_a_huge_text_shows_the_beginning() -> None:
    text = "begin " + "x " * 100_000 + "needle"

    snippet = snippet_of(text, parse_query("needle"))

    assert snippet.startswith("begin x x")
    assert len(snippet) <= SNIPPET_CHARACTERS + 1
