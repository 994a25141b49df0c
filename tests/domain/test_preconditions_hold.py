"""A precondition passes what the caller has read, and names what is there now."""

import pytest

from app.domain.identity import Version
from app.domain.session import Precondition
from app.errors import RevisionMismatchError

CURRENT = Version("00000000000000aa", 7)


@pytest.mark.parametrize(
    "versions",
    [None, frozenset({CURRENT}), frozenset({CURRENT, Version("00000000000000bb", 1)})],
)
def test_a_version_that_was_read_passes(versions: frozenset[Version] | None) -> None:
    Precondition(versions=versions).check("session", CURRENT)


@pytest.mark.parametrize(
    "versions",
    [
        frozenset[Version](),
        frozenset({Version("00000000000000aa", 6)}),
        frozenset({Version("00000000000000aa", 8)}),
        frozenset({Version("00000000000000bb", 7)}),
    ],
)
def test_any_other_is_refused_with_what_is_there_now(versions: frozenset[Version]) -> None:
    with pytest.raises(RevisionMismatchError) as caught:
        Precondition(versions=versions).check("session", CURRENT)

    assert caught.value.id == "session"
    assert caught.value.current_generation == "00000000000000aa"
    assert caught.value.current_revision == 7
