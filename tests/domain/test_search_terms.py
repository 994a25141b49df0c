"""What the terms of a text are, and which queries find it."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.search import QUERY_LIMIT_CHARACTERS, Phrase, parse_query, terms_of
from app.errors import InvalidInputError
from tests.strategies import CJK_CHARACTERS, search_texts, texts


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("Hello, World!", ["hello", "world"]),
        ("don't", ["don", "t"]),
        ("snake_case e-mail", ["snake", "case", "e", "mail"]),
        ("a1b2 3.14", ["a1b2", "3", "14"]),
        ("x" * 100, ["x" * 64]),
        ("Résumé", ["resume"]),
        ("re\u0301sume\u0301", ["resume"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
        ("\uff26\uff55\uff4c\uff4c", ["full"]),
        ("ﬁne", ["fine"]),
        ("Ελλάς", ["ελλασ"]),
        ("Привет", ["привет"]),
        ("й", ["и"]),
        ("١٢٣", ["١٢٣"]),
        ("中", ["中"]),
        ("中文", ["中文", "文"]),
        ("中文字典", ["中文", "文字", "字典", "典"]),
        ("中文。字典", ["中文", "文", "字典", "典"]),
        ("用Python写", ["用", "python", "写"]),
        ("한국어", ["한국", "국어", "어"]),
        ("ｶﾞｽ", ["カス", "ス"]),
        ("\U00020000\U00020001", ["\U00020000\U00020001", "\U00020001"]),
        ("👍 … --- _", []),
        ("a\0b\x1fc", ["a", "b", "c"]),
    ],
)
def test_a_text_has_these_terms(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


@pytest.mark.parametrize(
    ("query", "phrases"),
    [
        ("hello", [Phrase(("hello",))]),
        ("Hello  world", [Phrase(("hello",)), Phrase(("world",))]),
        ("e-mail", [Phrase(("e", "mail"))]),
        ("- hello !", [Phrase(("hello",))]),
        ("中", [Phrase(("中",), is_prefix=True)]),
        ("中文", [Phrase(("中文",))]),
        ("中文字", [Phrase(("中文", "文字"))]),
        ("中 文", [Phrase(("中",), is_prefix=True), Phrase(("文",), is_prefix=True)]),
        ("中。文", [Phrase(("中", "文"), is_prefix=True)]),
        ("中文。字", [Phrase(("中文", "文", "字"), is_prefix=True)]),
        ("ab中", [Phrase(("ab", "中"), is_prefix=True)]),
        ("ab中文", [Phrase(("ab", "中文"))]),
        ("中ab", [Phrase(("中", "ab"))]),
    ],
)
def test_a_query_has_these_phrases(query: str, phrases: list[Phrase]) -> None:
    assert list(parse_query(query).phrases) == phrases


@pytest.mark.parametrize("query", ["", " ", "...", "_", "👍", "\0", "\u3099", "\n\t"])
def test_a_query_without_letters_and_digits_is_refused(query: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_query(query)

    assert [fault.pointer for fault in caught.value.faults] == ["q"]


def test_a_query_has_a_longest_length() -> None:
    assert QUERY_LIMIT_CHARACTERS == 500
    assert parse_query("x" * 500).matches("x" * 64)

    with pytest.raises(InvalidInputError) as caught:
        parse_query("x" * 501)

    assert [fault.pointer for fault in caught.value.faults] == ["q"]


@pytest.mark.parametrize(
    ("query", "text", "is_found"),
    [
        ("fold", "We fold it.", True),
        ("fold", "Folding", False),
        ("FOLD", "fold", True),
        ("it fold", "We fold it.", True),
        ("fold gone", "We fold it.", False),
        ("e-mail", "send e mail", True),
        ("e-mail", "mail, e", False),
        ("resume", "my Résumé", True),
        ("résumé", "my resume", True),
        ("strasse", "Straße", True),
        ("中文", "学中文吧", True),
        ("中文", "中的文", False),
        ("中文", "中 文", False),
        ("中", "学中文", True),
        ("中", "文中", True),
        ("中", "文字", False),
        ("文字典", "中文字典", True),
        ("文字典", "文字。字典", False),
        ("ab中", "ab中文", True),
        ("ab中", "ab中", True),
        ("ab中", "ab 文", False),
        ("ab中", "ab only", False),
        ("a中", "中 a", False),
        ("中ab", "学中ab", True),
        ("国", "한국어", False),
        ("국", "한국어", True),
    ],
)
def test_a_query_finds_exactly_the_texts_it_should(query: str, text: str, is_found: bool) -> None:
    assert parse_query(query).matches(text) is is_found


@given(before=search_texts(), pair=st.text(CJK_CHARACTERS, min_size=2, max_size=2), after=texts(5))
def test_any_two_neighbouring_cjk_characters_are_found(before: str, pair: str, after: str) -> None:
    assume(not after[:1].isalnum())  # a following vowel sign could join the last character

    assert parse_query(pair).matches(before + pair + after)


@given(run=st.text(CJK_CHARACTERS, min_size=1, max_size=8), data=st.data())
def test_any_part_of_a_cjk_run_is_found(run: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(run) - 1))
    stop = data.draw(st.integers(start + 1, len(run)))

    assert parse_query(run[start:stop]).matches(run)


@given(text=st.one_of(search_texts(), texts()))
def test_any_word_of_a_text_is_found(text: str) -> None:
    words = [word for word in text.split() if terms_of(word)]
    assume(words)

    for word in words:
        assert parse_query(word).matches(text)


@given(text=st.one_of(search_texts(), texts()))
def test_a_whole_text_finds_itself(text: str) -> None:
    assume(terms_of(text))

    assert parse_query(text).matches(text)


@given(text=texts())
def test_terms_hold_no_space_and_are_never_empty(text: str) -> None:
    for term in terms_of(text):
        assert term
        assert term.split() == [term]
        assert len(term) <= 64


@given(text=st.text(st.characters(max_codepoint=127)), other=st.sampled_from(["é", "中", "ß"]))
def test_ascii_words_have_the_same_terms_in_any_company(text: str, other: str) -> None:
    assert terms_of(f"{text} {other}")[: len(terms_of(text))] == terms_of(text)
