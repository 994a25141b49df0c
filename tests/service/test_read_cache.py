"""The read cache gives a body only for the version it was kept for, and stays within its bytes."""

from app.domain.identity import SessionKey, Version
from app.service.read_cache import ReadCache

ADA, BOB = SessionKey("ada", "s"), SessionKey("bob", "s")
ONE, TWO = Version("0123456789abcdef", 1), Version("0123456789abcdef", 2)


def numbered(number: int) -> SessionKey:
    return SessionKey("ada", f"s{number}")


def test_a_body_is_found_at_its_version_only() -> None:
    cache = ReadCache(100_000)
    cache.keep(ADA, ONE, b"one")

    found = [cache.find(ADA, ONE), cache.find(ADA, TWO), cache.find(BOB, ONE)]

    assert found == [b"one", None, None]


def test_what_is_here_at_any_version_is_worth_a_question() -> None:
    cache = ReadCache(100_000)
    cache.keep(ADA, ONE, b"one")

    assert [cache.has_any(ADA), cache.has_any(BOB)] == [True, False]


def test_a_newer_body_takes_the_place_of_the_older() -> None:
    cache = ReadCache(100_000)
    cache.keep(ADA, ONE, b"one")
    cache.keep(ADA, TWO, b"two!")

    found = [cache.find(ADA, ONE), cache.find(ADA, TWO)]

    assert found == [None, b"two!"]
    assert cache.size_bytes == 504


def test_the_least_recently_read_goes_first() -> None:
    cache = ReadCache(12_000)
    for number in range(8):
        cache.keep(numbered(number), ONE, b"x" * 1000)
    cache.find(numbered(0), ONE)

    cache.keep(numbered(8), ONE, b"x" * 1000)

    kept = [number for number in range(9) if cache.find(numbered(number), ONE)]
    assert kept == [0, 2, 3, 4, 5, 6, 7, 8]
    assert cache.size_bytes == 12_000


def test_a_body_beyond_an_eighth_is_not_kept_and_drops_its_older_self() -> None:
    cache = ReadCache(80_000)
    cache.keep(ADA, ONE, b"x" * 9_500)
    assert cache.find(ADA, ONE) is not None

    cache.keep(ADA, TWO, b"x" * 9_501)

    assert [cache.find(ADA, ONE), cache.find(ADA, TWO)] == [None, None]
    assert cache.size_bytes == 0


def test_a_user_is_forgotten_whole_and_alone() -> None:
    cache = ReadCache(100_000)
    cache.keep(ADA, ONE, b"one")
    cache.keep(numbered(1), ONE, b"one")
    cache.keep(BOB, ONE, b"one")

    cache.forget_user("ada")

    found = [cache.find(key, ONE) for key in (ADA, numbered(1), BOB)]
    assert found == [None, None, b"one"]
    assert cache.size_bytes == 503


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = ReadCache(0)

    cache.keep(ADA, ONE, b"")

    assert cache.find(ADA, ONE) is None
