"""A session is folded once: by two writers at once, and by a writer beside a run."""

import asyncio
from pathlib import Path

import httpx

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.api.requests import SESSIONS
from tests.legacy.products import documents, migrating
from tests.migrations.sources import document, fold, verified, write_source

S9 = f"{SESSIONS}/s9"


async def append(client: httpx.AsyncClient, path: str, message_id: str) -> int:
    """Append a message and tell its place."""
    answer = await client.post(f"{path}/messages", json={"id": message_id, "content": message_id})
    assert answer.status_code == 201, answer.text
    seq: int = answer.json()["messages"][0]["seq"]
    return seq


async def test_writers_at_once_fold_a_session_once(store: SessionStore, tmp_path: Path) -> None:
    async with migrating(store, tmp_path, list(documents())) as product:
        before = (await product.ada.get(S9)).json()
        assert await store.find_version(SessionKey("ada", "s9")) is None

        places = await asyncio.gather(
            *(append(product.ada, S9, f"new-{number}") for number in range(8))
        )

        after = (await product.ada.get(S9)).json()
    assert sorted(places) == list(range(10, 18))
    assert after["messages"][:10] == before["messages"]
    assert after["generation"] == before["generation"]
    assert after["revision"] == 9
    assert len(after["messages"]) == 18


async def test_writers_that_retry_are_answered_as_the_first(
    store: SessionStore, tmp_path: Path
) -> None:
    async with migrating(store, tmp_path, list(documents())) as product:
        places = await asyncio.gather(*(append(product.ada, S9, "new") for _ in range(4)))

        message = {"id": "m9-9", "content": "Another."}
        refused = await product.ada.post(f"{S9}/messages", json=message)
        session = (await product.ada.get(S9)).json()
    assert places == [10, 10, 10, 10]
    assert refused.status_code == 422
    assert session["message_count"] == 11


async def test_a_run_beside_writers_leaves_everything_once(
    store: SessionStore, tmp_path: Path
) -> None:
    records = list(documents())
    async with migrating(store, tmp_path, records) as product:
        sessions = [f"{SESSIONS}/s{number}" for number in range(10)]
        before = {path: (await product.ada.get(path)).json()["messages"] for path in sessions}

        async def write_to_all() -> None:
            for number, path in enumerate(sessions):
                await append(product.ada, path, f"new-{number}")

        await asyncio.gather(fold(product.path, store), write_to_all())

        for number, path in enumerate(sessions):
            after = (await product.ada.get(path)).json()["messages"]
            assert after[:-1] == before[path]
            assert after[-1]["id"] == f"new-{number}"
        page = (await product.ada.get(SESSIONS)).json()["items"]
        assert sorted(one["id"] for one in page) == [f"s{number}" for number in range(10)]
        assert not any("is_legacy" in one for one in page)
        assert not (await verified(product.path, store)).has_findings


async def test_a_run_completes_what_a_writer_has_folded(
    store: SessionStore, tmp_path: Path
) -> None:
    async with migrating(store, tmp_path, [document("m1"), document("m2")]) as product:
        await append(product.ada, f"{SESSIONS}/s1", "new")
        write_source(product.path, [document("m1"), document("m2"), document("m3")])

        report = await fold(product.path, store)

        session = (await product.ada.get(f"{SESSIONS}/s1")).json()
    assert report.messages_added == 1
    assert [one["id"] for one in session["messages"]] == ["m1", "m2", "new", "m3"]


async def test_lists_while_a_run_folds_show_each_session_once(
    store: SessionStore, tmp_path: Path
) -> None:
    records = [
        document(f"m{number}", session_id=f"s{number:03}", user_id="ada") for number in range(200)
    ]
    async with migrating(store, tmp_path, records) as product:
        ids = [f"s{number:03}" for number in range(200)]
        run = asyncio.create_task(fold(product.path, store))
        lists = 0
        while not run.done():
            page = (await product.ada.get(SESSIONS, params={"limit": 200})).json()
            assert sorted(one["id"] for one in page["items"]) == ids
            stats = (await product.ada.get("/api/chat/stats")).json()
            assert (stats["session_count"], stats["message_count"]) == (200, 200)
            lists += 1
            await asyncio.sleep(0)
        await run

        assert lists > 0
        page = (await product.ada.get(SESSIONS, params={"limit": 200})).json()
    assert [one["id"] for one in page["items"] if "is_legacy" not in one] == ids[::-1]
