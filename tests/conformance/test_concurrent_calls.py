"""Many calls at once: each is atomic, every answer is true, and a read shows one version."""

import asyncio
import json
from typing import Any

from app.domain.identity import SessionKey, Version
from app.domain.message import ChatMessage
from app.domain.session import Precondition, SessionHeader
from app.errors import AppError, MessageIdConflictError, RevisionMismatchError, SessionExistsError
from app.store.port import Appended, ReadSelection, SessionStore
from tests.conformance.state import header_of, messages_of
from tests.factories import (
    ADA,
    KEY,
    make_edit,
    make_message,
    make_messages,
    make_new_session,
    make_put,
)
from tests.fake_clock import START, instant


async def outcomes(*calls: Any) -> list[Any]:
    """What each call answered or raised."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_fifty_appends_to_one_session_are_all_there_at_their_seq(
    store: SessionStore,
) -> None:
    await store.insert(make_new_session())

    answers = await asyncio.gather(
        *(store.append(KEY, [make_message(f"m{n}")], at=START) for n in range(50))
    )

    acknowledged = {}
    for n, answer in enumerate(answers):
        (message,) = map(ChatMessage.from_json, answer.messages_json)
        assert message.id == f"m{n}"
        acknowledged[message.id] = message.seq
    assert sorted(acknowledged.values()) == list(range(50))
    assert {m.id: m.seq for m in await messages_of(store, KEY)} == acknowledged
    assert sorted(answer.version.revision for answer in answers) == list(range(2, 52))
    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq, header.revision) == (50, 50, 51)


async def test_batches_are_not_interleaved(store: SessionStore) -> None:
    await store.insert(make_new_session())

    answers = await asyncio.gather(
        *(store.append(KEY, make_messages(7, first=100 * n), at=START) for n in range(20))
    )

    for answer in answers:
        seqs = [json.loads(one)["seq"] for one in answer.messages_json]
        assert seqs == list(range(seqs[0], seqs[0] + 7))
    assert (await header_of(store, KEY)).next_seq == 140


async def test_the_same_append_fifty_times_at_once_is_stored_once(store: SessionStore) -> None:
    await store.insert(make_new_session())

    answers = await asyncio.gather(
        *(store.append(KEY, make_messages(3), at=instant(n)) for n in range(50))
    )

    assert {answer.messages_json for answer in answers} == {answers[0].messages_json}
    assert {answer.version.revision for answer in answers} == {2}
    assert len(await messages_of(store, KEY)) == 3


async def test_of_different_contents_for_one_id_one_wins(store: SessionStore) -> None:
    await store.insert(make_new_session())

    answers = await outcomes(
        *(
            store.append(KEY, [make_message(f"n{n}"), make_message("same", f"text {n}")], at=START)
            for n in range(20)
        )
    )

    winners = [answer for answer in answers if isinstance(answer, Appended)]
    losers = [answer for answer in answers if isinstance(answer, MessageIdConflictError)]
    assert (len(winners), len(losers)) == (1, 19)
    assert (await store.read(KEY)).messages_json == b",".join(winners[0].messages_json)


async def test_of_guarded_changes_of_one_version_one_wins(store: SessionStore) -> None:
    await store.insert(make_new_session(generation="00000000000000aa"))
    guard = Precondition(versions=frozenset({Version("00000000000000aa", 1)}))

    answers = await outcomes(
        *(store.change_header(KEY, make_put(session_name=f"name {n}"), guard) for n in range(20))
    )

    winners = [answer for answer in answers if isinstance(answer, SessionHeader)]
    losers = [answer for answer in answers if isinstance(answer, RevisionMismatchError)]
    assert (len(winners), len(losers)) == (1, 19)
    assert {loser.current_revision for loser in losers} == {2}
    assert await header_of(store, KEY) == winners[0]


async def test_of_creations_of_one_key_one_wins(store: SessionStore) -> None:
    sessions = [make_new_session(session_name=f"name {n}") for n in range(20)]

    answers = await outcomes(*(store.insert(session) for session in sessions))

    winners = [answer for answer in answers if isinstance(answer, SessionHeader)]
    losers = [answer for answer in answers if isinstance(answer, SessionExistsError)]
    assert (len(winners), len(losers)) == (1, 19)
    assert await header_of(store, KEY) == winners[0]


async def test_equal_creations_at_once_get_one_answer(store: SessionStore) -> None:
    sessions = [make_new_session(creation_digest=b"a" * 16) for _ in range(20)]

    headers = await asyncio.gather(*(store.insert(session) for session in sessions))

    assert len({header.generation for header in headers}) == 1


async def test_a_read_shows_one_version_while_others_write(store: SessionStore) -> None:
    await store.insert(make_new_session())
    reads: list[tuple[int, int, int, int]] = []
    is_done = False

    async def write() -> None:
        nonlocal is_done
        for n in range(150):
            await store.append(KEY, [make_message(f"m{n}")], at=START)
        is_done = True

    async def watch() -> None:
        while not is_done:
            document = (await store.read(KEY)).document()
            reads.append(
                (
                    document.revision,
                    document.message_count + 1,
                    document.next_seq + 1,
                    len(document.messages) + 1,
                )
            )
            await asyncio.sleep(0)

    await asyncio.gather(write(), watch(), watch())

    assert all(len(set(numbers)) == 1 for numbers in reads)
    assert (await header_of(store, KEY)).revision == 151


async def test_news_polled_while_others_write_rebuild_the_whole(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(20)))
    is_done = False

    async def write() -> None:
        nonlocal is_done
        for n in range(60):
            await store.append(KEY, [make_message(f"n{n}")], at=START)
            await store.edit_message(KEY, f"m{n % 10}", make_edit(f"edit {n}"))
            if n % 10 == 5:
                await store.delete_message(KEY, f"m{10 + n // 10}", START)
        is_done = True

    async def follow() -> dict[int, ChatMessage]:
        first = await store.read(KEY)
        copy = {message.seq: message for message in first.messages()}
        seen = first.version
        is_last = False
        while not is_last:
            is_last = is_done
            news = await store.read(KEY, ReadSelection(since=seen))
            copy.update({message.seq: message for message in news.messages()})
            seen = news.version
            await asyncio.sleep(0)
        return copy

    _, copy, other = await asyncio.gather(write(), follow(), follow())

    whole = {message.seq: message for message in await messages_of(store, KEY)}
    assert copy == other == whole


async def test_everything_at_once_leaves_a_true_session(store: SessionStore) -> None:
    await store.insert(make_new_session(messages=make_messages(30)))
    other = SessionKey(ADA, "other")

    answers = await outcomes(
        *(store.append(KEY, [make_message(f"n{n}")], at=instant(n)) for n in range(30)),
        *(store.edit_message(KEY, f"m{n}", make_edit(f"edit {n}")) for n in range(20)),
        *(store.delete_message(KEY, f"m{n}", START) for n in range(10, 25)),
        *(store.change_header(KEY, make_put(session_name=f"name {n}")) for n in range(10)),
        store.insert(make_new_session(other)),
        store.delete(other, START),
        store.stats(ADA),
        *(store.read(KEY) for _ in range(10)),
    )

    assert [
        a for a in answers if isinstance(a, BaseException) and not isinstance(a, AppError)
    ] == []
    document = (await store.read(KEY)).document()
    living = [message for message in document.messages if not message.is_deleted]
    assert [message.seq for message in document.messages] == list(range(60))
    assert document.message_count == len(living) == 45
    assert document.last_message_at == living[-1].created_at
    assert document.updated_at == instant(29)
