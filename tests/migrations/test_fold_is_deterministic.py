"""Whatever the records and their order, the fold makes the same sessions, and verify agrees."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.store.memory import MemoryStore
from app.store.port import SessionStore
from tests.migrations.sources import fold, verified, write_source

FEW_IDS = st.sampled_from(["a", "b", "é", 7, None, ""])
DATES = st.sampled_from(
    [
        "2024-01-01T12:00:00Z",
        "2024-01-01T12:00:00.000001Z",
        "2024-01-01 12:00:00.001",
        "2024-01-01T13:00:00.001+01:00",
        1_704_110_400,
        1_704_110_400_001,
        "soon",
        None,
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "id": FEW_IDS,
        "session_id": FEW_IDS,
        "user_id": st.sampled_from(["ada", "ada", "bob", None]),
        "content": st.sampled_from(["x", "y", "", None, "NUL \0 \ud83d\ude00 \U0001f600", 7]),
        "message_type": st.sampled_from(["user", "assistant", "human", None]),
        "metadata": VALUES | st.just('{"a": 1}'),
        "created_at": DATES,
        "extra": VALUES,
        "chatfold:source": VALUES,
    },
)
LINES = DOCUMENTS.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=20).map(
    lambda line: line.replace(b"\n", b" ")
)


async def everything(store: SessionStore) -> list[dict[str, Any]]:
    """Every session, but for the generation, which is drawn at random, and the run."""
    sessions = [(await store.read(key)).document() for key in await store.list_keys()]
    return [
        session.model_dump(exclude={"generation": True, "origin": {"run_id"}})
        for session in sessions
    ]


async def folded(folder: Path, lines: Sequence[bytes], *, part_records: int) -> SessionStore:
    store = MemoryStore()
    await fold(write_source(folder / "source.jsonl", lines), store, part_records=part_records)
    return store


@given(lines=st.lists(LINES, max_size=12), part_records=st.sampled_from([1, 2, 50_000]))
async def test_any_source_folds_and_verifies(lines: list[bytes], part_records: int) -> None:
    with TemporaryDirectory() as folder:
        store = await folded(Path(folder), lines, part_records=part_records)

        report = await verified(Path(folder) / "source.jsonl", store)

    assert report.examples == []
    assert report.sessions_equal == report.sessions_expected


@given(lines=st.lists(LINES, max_size=12))
async def test_any_source_folds_the_same_again(lines: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        store = await folded(Path(folder), lines, part_records=50_000)
        before = await everything(store)

        await fold(Path(folder) / "source.jsonl", store)
        in_parts = await folded(Path(folder), lines, part_records=2)

        assert await everything(store) == before
        assert [one["messages"] for one in await everything(in_parts)] == [
            one["messages"] for one in before
        ]


@given(
    identities=st.lists(
        st.tuples(FEW_IDS.filter(bool), DATES.filter(lambda date: date not in {"soon", None})),
        max_size=8,
        unique_by=lambda identity: str(identity[0]),
    ),
    order=st.randoms(use_true_random=False),
)
async def test_the_order_of_lines_does_not_matter(
    identities: list[tuple[Any, Any]], order: Any
) -> None:
    lines = [
        json.dumps({"id": id_, "session_id": "s", "user_id": "ada", "created_at": date}).encode()
        for id_, date in identities
    ]
    shuffled = list(lines)
    order.shuffle(shuffled)
    with TemporaryDirectory() as folder:
        store = await folded(Path(folder), lines, part_records=50_000)

        other = await folded(Path(folder), shuffled, part_records=50_000)

        assert await everything(other) == await everything(store)
