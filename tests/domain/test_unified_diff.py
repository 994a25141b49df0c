"""Unified diffs: as `difflib` writes them, and each makes the new text of the old one."""

import difflib
import re
from itertools import islice

from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.unified_diff import LINES_COMPARED_LIMIT, unified_diff

NO_END = "\\ No newline at end of file"


def diff(before: str, after: str) -> str:
    return unified_diff(before, after, names=("version 1", "version 2"))


def patched(before: str, patch: str) -> str:
    """What `patch` would make of a text, by its rules and not by the code under test."""
    if not patch:
        return before
    old = re.findall(r"[^\n]*\n|[^\n]+$", before)
    new: list[str] = []
    at = 0
    lines = iter(re.findall(r"[^\n]*\n", patch))
    assert list(islice(lines, 2)) == ["--- version 1\n", "+++ version 2\n"]
    last = ""
    for line in lines:
        if line.startswith("@@"):
            found = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n", line)
            assert found is not None
            start = int(found[1]) - (found[2] != "0")
            new.extend(old[at:start])
            assert len(new) == int(found[3]) - (found[4] != "0")
            at = start
        elif line.startswith("\\"):
            if last in " +":
                new[-1] = new[-1].removesuffix("\n")
        else:
            last = line[0]
            if last in " -":
                assert old[at].removesuffix("\n") == line[1:].removesuffix("\n")
                at += 1
            if last in " +":
                new.append(line[1:])
    return "".join(new + old[at:])


def test_a_change_is_shown_with_three_lines_around_it() -> None:
    before = "".join(f"line {number}\n" for number in range(12))

    assert diff(before, before.replace("line 5\n", "line five\nand more\n")) == (
        "--- version 1\n+++ version 2\n@@ -3,7 +3,8 @@\n"
        " line 2\n line 3\n line 4\n-line 5\n+line five\n+and more\n line 6\n line 7\n line 8\n"
    )


def test_what_ends_without_a_line_feed_is_said_so() -> None:
    assert diff("a", "a\n") == (f"--- version 1\n+++ version 2\n@@ -1 +1 @@\n-a\n{NO_END}\n+a\n")


def test_empty_texts_and_carriage_returns() -> None:
    assert diff("same", "same") == diff("", "") == ""
    assert diff("", "a\n") == "--- version 1\n+++ version 2\n@@ -0,0 +1 @@\n+a\n"
    assert diff("a\n", "") == "--- version 1\n+++ version 2\n@@ -1 +0,0 @@\n-a\n"
    assert diff("a\r\nb\u2028\n", "a\nb\u2028\n").endswith("@@ -1,2 +1,2 @@\n-a\r\n+a\n b\u2028\n")


texts = st.builds(
    lambda lines, end: "".join(lines) + end,
    st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d\r\n"]), max_size=40),
    st.sampled_from(["", "a", "e"]),
)


@given(texts, texts)
@example("a\n" * 20, "a\n" * 21)
def test_a_diff_makes_the_new_text_of_the_old_one(before: str, after: str) -> None:
    assert patched(before, diff(before, after)) == after


def test_close_changes_share_a_hunk_as_difflib_has_them() -> None:
    before = [f"line {number}\n" for number in range(60)]
    for gap in range(1, 12):
        after = list(before)
        after[20] = after[20 + gap] = "changed\n"

        expected = difflib.unified_diff(before, after, "version 1", "version 2")

        assert diff("".join(before), "".join(after)) == "".join(expected)


def test_what_is_too_long_to_compare_is_replaced_as_a_whole() -> None:
    size = LINES_COMPARED_LIMIT + 1
    before = "head\n" + "".join(f"old {number}\nsame {number}\n" for number in range(size))
    after = "head\n" + "".join(f"new {number}\nsame {number}\n" for number in range(size))

    patch = diff(before, after)

    assert patch.count("@@ -") == 1
    assert patched(before, patch) == after
