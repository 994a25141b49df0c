"""A session of thousands of messages, grown in every manner, reads as it was written."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.domain.message import NewMessage
from app.store.port import MessageWindow, ReadSelection, SessionStore
from tests.conformance.state import header_of, messages_of, places_found
from tests.factories import KEY, make_edit, make_message, make_new_session
from tests.fake_clock import START

NUMBER = 3000 if os.environ.get("SOAK") else 1200
ROUNDS = 4 if os.environ.get("SOAK") else 2
"""Of large messages and small ones."""
BATCHES = [1, 1, 5, 64, 1, 127, 128, 2, 1000, 63, 65, 1, 300]


@dataclass
class Expected:
    """What the session must hold: one text per place, None for a tombstone."""

    texts: list[str | None] = field(default_factory=list[str | None])
    histories: dict[int, list[str]] = field(default_factory=dict[int, list[str]])

    def next_batch(self, size: int) -> list[NewMessage]:
        first = len(self.texts)
        batch = [make_message(f"m{seq}", f"text {seq}") for seq in range(first, first + size)]
        self.texts += [message.content for message in batch]
        return batch


async def grow(store: SessionStore, expected: Expected) -> None:
    """Append in batches and singly, with edits and deletions in old places in between."""
    step = 0
    while len(expected.texts) < NUMBER:
        size = min(BATCHES[step % len(BATCHES)], NUMBER - len(expected.texts))
        await store.append(KEY, expected.next_batch(size), at=START)
        step += 1
        seq = step * 37 % len(expected.texts)
        before = expected.texts[seq]
        if before is None:
            continue
        if step % 4 == 0:
            await store.delete_message(KEY, f"m{seq}", START)
            expected.texts[seq] = None
            expected.histories.pop(seq, None)
        else:
            text = f"edited in step {step} " + "long " * (step % 50)
            await store.edit_message(KEY, f"m{seq}", make_edit(text))
            expected.histories.setdefault(seq, []).append(before)
            expected.texts[seq] = text


async def test_a_long_session_reads_as_it_was_written(
    store: SessionStore, pause: Callable[[], Awaitable[None]]
) -> None:
    await store.insert(make_new_session())
    expected = Expected()
    await grow(store, expected)
    await pause()

    messages = await messages_of(store, KEY)
    assert [m.seq for m in messages] == list(range(NUMBER))
    assert [m.id for m in messages] == [f"m{seq}" for seq in range(NUMBER)]
    assert [None if m.is_deleted else m.content for m in messages] == expected.texts

    living = sum(text is not None for text in expected.texts)
    header = await header_of(store, KEY)
    assert (header.message_count, header.next_seq) == (living, NUMBER)
    for seq, history in expected.histories.items():
        past = await store.list_past_texts(KEY, f"m{seq}")
        assert [one.content for one in past] == history

    whole = json.loads((await store.read(KEY)).to_json())["messages"]
    middle, late = NUMBER // 2, NUMBER - 129
    for after_seq in (-1, 0, 62, 63, 64, 127, 128, middle, late, late + 64, NUMBER - 2, NUMBER - 1):
        part = await store.read(KEY, ReadSelection(after_seq=after_seq))
        assert json.loads(part.to_json())["messages"] == whole[after_seq + 1 :]
        page = await store.list_messages(KEY, MessageWindow(limit=70, after_seq=after_seq))
        assert [json.loads(one) for one in page.messages_json] == whole[after_seq + 1 :][:70]

    assert await places_found(store, f"{NUMBER - 1}") == [("session", NUMBER - 1)]


async def test_retries_of_every_batch_of_a_long_session_are_known(store: SessionStore) -> None:
    await store.insert(make_new_session())
    expected = Expected()
    batches = [expected.next_batch(100) for _ in range(10)]
    for batch in batches:
        await store.append(KEY, batch, at=START)
    before = await store.read(KEY)

    answers = [await store.append(KEY, batch, at=START) for batch in reversed(batches)]

    assert await store.read(KEY) == before
    assert [json.loads(answer.messages_json[0])["seq"] for answer in answers] == list(
        range(900, -1, -100)
    )


async def test_large_messages_among_small_ones_keep_their_places(store: SessionStore) -> None:
    await store.insert(make_new_session())
    sizes = [10, 1_500_000, 20, 700_000, 700_000, 30] * ROUNDS
    for index, size in enumerate(sizes):
        await store.append(KEY, [make_message(f"l{index}", "x" * size)], at=START)
    await store.append(KEY, [make_message(f"m{n}") for n in range(200)], at=START)
    await store.edit_message(KEY, "l1", make_edit("y" * 2_000_000))
    await store.edit_message(KEY, "l3", make_edit("short"))

    sizes[1], sizes[3] = 2_000_000, 5
    messages = await messages_of(store, KEY)
    assert [len(m.content) for m in messages[: len(sizes)]] == sizes
    assert [m.seq for m in messages] == list(range(len(sizes) + 200))
    page = await store.list_messages(KEY, MessageWindow(limit=5, offset=1))
    assert [json.loads(one)["id"] for one in page.messages_json] == ["l1", "l2", "l3", "l4", "l5"]
