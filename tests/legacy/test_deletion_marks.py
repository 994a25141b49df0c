"""What users delete does not come back from a source, nor does anything of an erased user."""

from pathlib import Path

from app.domain.identity import SessionKey
from app.store.port import SessionStore
from tests.api.requests import SESSIONS, contents
from tests.legacy.products import migrating
from tests.migrations.sources import document, fold

S1 = f"{SESSIONS}/s1"
RECORDS = [
    document("m1", "one"),
    document("m2", "two", session_id="s2"),
    document("m3", "three", user_id="bob"),
]


async def test_a_deleted_session_stays_deleted(store: SessionStore, tmp_path: Path) -> None:
    async with migrating(store, tmp_path, list(RECORDS)) as product:
        ada = product.ada
        assert (await ada.delete(S1)).status_code == 204

        answers = [
            await ada.get(S1),
            await ada.get(f"{S1}/messages"),
            await ada.post(f"{S1}/messages", json={"content": "x"}),
            await ada.patch(S1, json={"session_name": "x"}),
            await ada.delete(S1),
        ]
        page = (await ada.get(SESSIONS)).json()["items"]
        stats = (await ada.get("/api/chat/stats")).json()
        found = (await ada.get("/api/chat/search?q=one")).json()["items"]
        keys = await product.folding.list_keys()
        owners = await product.folding.find_owners("s1")
        report = await fold(product.path, store)
        after_the_run = await ada.get(S1)
        neighbour = await product.bob.get(S1)

    assert [one.status_code for one in answers] == [404] * 5
    assert [one["id"] for one in page] == ["s2"]
    assert stats["session_count"] == 1
    assert found == []
    assert keys == [SessionKey("ada", "s2"), SessionKey("bob", "s1")]
    assert owners == ["bob"]
    assert report.records.skipped == 1
    assert after_the_run.status_code == 404
    assert contents(neighbour) == ["three"]


async def test_a_deleted_id_can_be_made_anew(store: SessionStore, tmp_path: Path) -> None:
    async with migrating(store, tmp_path, list(RECORDS)) as product:
        assert (await product.ada.post(SESSIONS, json={"id": "s1"})).status_code == 409
        await product.ada.delete(S1)

        created = await product.ada.post(SESSIONS, json={"id": "s1"})

        assert created.status_code == 201
        assert contents(await product.ada.get(S1)) == []
        await product.ada.delete(S1)
        assert (await product.ada.get(S1)).status_code == 404


async def test_an_erased_user_is_never_served(store: SessionStore, tmp_path: Path) -> None:
    async with migrating(store, tmp_path, list(RECORDS)) as product:
        assert (await product.ada.get(S1)).status_code == 200

        receipt = (await product.ada.delete("/api/chat/users/me")).json()

        assert any("legacy source of message-documents" in one for one in receipt["not_reached"])
        assert not any(str(tmp_path) in one for one in receipt["not_reached"])
        assert (await product.ada.get(S1)).status_code == 404
        assert (await product.ada.get(SESSIONS)).json()["items"] == []
        assert (await product.ada.get("/api/chat/history")).json() == []
        assert (await product.ada.post(SESSIONS, json={"id": "s1"})).status_code == 201
        assert contents(await product.ada.get(S1)) == []
        assert (await product.ada.get(f"{SESSIONS}/s2")).status_code == 404
        assert contents(await product.bob.get(S1)) == ["three"]
