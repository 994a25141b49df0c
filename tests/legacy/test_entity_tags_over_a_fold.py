"""Entity tags, `since` and `after_seq` that were read before a fold are good after it."""

from pathlib import Path

from app.store.port import SessionStore
from tests.api.requests import SESSIONS, contents
from tests.legacy.products import documents, migrating

S9 = f"{SESSIONS}/s9"


async def test_an_entity_tag_is_good_before_and_after_a_fold(
    store: SessionStore, tmp_path: Path
) -> None:
    async with migrating(store, tmp_path, list(documents())) as product:
        ada = product.ada
        etag = (await ada.get(S9)).headers["etag"]
        assert (await ada.get(S9, headers={"If-None-Match": etag})).status_code == 304
        # A write that is refused has folded the session; nobody can tell.
        assert (await ada.delete(f"{S9}/messages/no-such")).status_code == 404
        assert (await ada.get(S9, headers={"If-None-Match": etag})).status_code == 304

        guarded = await ada.post(
            f"{S9}/messages", json={"id": "new", "content": "new"}, headers={"If-Match": etag}
        )

        assert guarded.status_code == 201
        assert contents(await ada.get(S9, params={"since": etag})) == ["new"]
        assert contents(await ada.get(S9, params={"after_seq": 9})) == ["new"]
        again = await ada.post(
            f"{S9}/messages", json={"id": "other", "content": "x"}, headers={"If-Match": etag}
        )
        assert again.status_code == 412


async def test_services_that_start_anew_give_the_same_entity_tags(
    store: SessionStore, tmp_path: Path
) -> None:
    async with migrating(store, tmp_path, list(documents())) as product:
        etag = (await product.ada.get(S9)).headers["etag"]
        folder = tmp_path / "again"
        folder.mkdir()

        # Of another order of the same records, too.
        async with migrating(store, folder, documents()[::-1]) as another:
            same = await another.ada.get(S9)

    assert same.headers["etag"] == etag


async def test_what_was_read_before_a_fold_is_what_the_fold_stores(
    store: SessionStore, tmp_path: Path
) -> None:
    async with migrating(store, tmp_path, list(documents())) as product:
        sessions = [f"{SESSIONS}/s{number}" for number in range(10)]
        before = [(await product.ada.get(path)).content for path in sessions]

        for path in sessions:
            assert (await product.ada.delete(f"{path}/messages/none")).status_code == 404

        page = (await product.ada.get(SESSIONS)).json()["items"]
        assert not any("is_legacy" in one for one in page)
        assert [(await product.ada.get(path)).content for path in sessions] == before
