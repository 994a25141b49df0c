"""What a run brings over, and a finish takes out of its source, is missed at no moment."""

from pathlib import Path

import apsw
import pytest

from app.domain.identity import SessionKey
from app.domain.session import NewSession
from app.errors import LegacySourceUnavailableError, SessionNotFoundError, StoreBusyError
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.legacy.source_index import SourceIndex
from app.store.memory import MemoryStore
from app.store.port import UserStats
from tests.factories import ADA, KEY, make_message, make_new_session
from tests.fake_clock import instant
from tests.half_migrated import HeldSource
from tests.migrations.sources import document, write_source


class FinishedMeanwhile(HeldSource):
    """A source from which a session goes to the store just when it is looked for."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store

    async def find(self, key: SessionKey) -> NewSession | None:
        session = self.sessions.pop(key, None)
        if session is not None:
            await self._store.insert_absent([session])
        return None


class FoldedMeanwhile(MemoryStore):
    """A store to which a run brings one more session, each time just before it counts."""

    def __init__(self, source: HeldSource, most: int) -> None:
        super().__init__()
        self._source = source
        self._most = most

    async def stats(self, user_id: str) -> UserStats:
        for session in self._source.sessions.values():
            if self._most and await self.find_version(session.key) is None:
                self._most -= 1
                await self.insert_absent([session])
                break
        return await super().stats(user_id)


def finished_meanwhile() -> FoldingStore:
    store = MemoryStore()
    source = FinishedMeanwhile(store)
    source.sessions[KEY] = make_new_session(messages=[make_message("m0")])
    return FoldingStore(store, [source])


async def test_a_session_that_leaves_its_source_is_read() -> None:
    store = finished_meanwhile()

    session = await store.read(KEY)

    assert [message.id for message in session.messages()] == ["m0"]


async def test_a_session_that_leaves_its_source_has_its_version() -> None:
    assert await finished_meanwhile().find_version(KEY) is not None


async def test_a_session_that_leaves_its_source_is_written_to() -> None:
    appended = await finished_meanwhile().append(KEY, [make_message("m1")], at=instant(0))

    assert appended.version.revision == 2


async def test_what_nobody_has_is_not_found() -> None:
    with pytest.raises(SessionNotFoundError):
        await finished_meanwhile().read(SessionKey(ADA, "nowhere"))


def held(count: int) -> HeldSource:
    source = HeldSource()
    for number in range(count):
        session = make_new_session(SessionKey(ADA, f"s{number}"), messages=[make_message()])
        source.sessions[session.key] = session
    return source


async def test_what_comes_over_while_counting_is_counted_once() -> None:
    source = held(10)

    stats = await FoldingStore(FoldedMeanwhile(source, most=3), [source]).stats(ADA)

    assert (stats.session_count, stats.message_count) == (10, 10)


async def test_where_counting_never_comes_to_rest_the_store_is_busy() -> None:
    source = held(10)
    store = FoldingStore(FoldedMeanwhile(source, most=10), [source])

    with pytest.raises(StoreBusyError):
        await store.stats(ADA)


async def test_an_index_that_is_damaged_is_a_failure_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_source(tmp_path / "messages.jsonl", [document("m1")])
    behind = MemoryStore()
    (source,) = await open_sources([f"message-documents={path}"], behind.limits)
    store = FoldingStore(behind, [source])
    key = SessionKey(ADA, "s1")

    def damaged(_index: SourceIndex, _key: SessionKey) -> NewSession | None:
        raise apsw.CorruptError("database disk image is malformed")

    with monkeypatch.context() as patched:
        patched.setattr(SourceIndex, "find", damaged)
        with pytest.raises(LegacySourceUnavailableError):
            await store.read(key)

    assert len((await store.read(key)).messages()) == 1
    await source.aclose()
