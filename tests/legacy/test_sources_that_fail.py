"""While a source fails, what is in the store is served; everything else is a 503, never absent."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.identity import SessionKey
from app.errors import LegacySourceUnavailableError
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.store.port import SessionStore
from tests.api.requests import SESSIONS, problem
from tests.legacy.products import migrating
from tests.migrations.sources import document, write_source

FOLDED, LEGACY = f"{SESSIONS}/folded", f"{SESSIONS}/legacy"
RECORDS = [document("m1", session_id="folded"), document("m1", session_id="legacy")]

UNAVAILABLE: tuple[int, str, list[str]] = (503, "legacy_source_unavailable", [])


def remove(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes() * 1000)[:-9])


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.fixture(params=[remove, cut_short, put_a_folder_there])
def damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    function: Callable[[Path], None] = request.param
    return function


async def test_what_cannot_be_known_is_a_503(
    store: SessionStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with migrating(store, tmp_path, list(RECORDS), folded_first=RECORDS[:1]) as product:
        ada = product.ada
        assert (await ada.get(LEGACY)).status_code == 200
        damage(product.path)

        answers = [
            await ada.get(path)
            for path in (
                LEGACY,
                f"{LEGACY}/messages",
                f"{SESSIONS}/nowhere",
                SESSIONS,
                "/api/chat/stats",
                "/api/chat/search?q=hello",
                "/api/chat/history",
                "/api/chat/history?session_id=legacy",
                "/api/chat/export",
                "/readyz",
            )
        ]
        answers.append(await ada.post(f"{LEGACY}/messages", json={"content": "x"}))
        answers.append(await ada.patch(LEGACY, json={"session_name": "x"}))
        answers.append(await ada.delete(LEGACY))
        answers.append(await ada.post(SESSIONS, json={"id": "legacy"}))

        assert [problem(answer) for answer in answers] == [UNAVAILABLE] * 14
        assert all(answer.headers["retry-after"] == "1" for answer in answers)
        assert not any(str(product.path) in answer.text for answer in answers)


async def test_what_is_in_the_store_is_served_as_ever(
    store: SessionStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with migrating(store, tmp_path, list(RECORDS), folded_first=RECORDS[:1]) as product:
        ada = product.ada
        damage(product.path)

        answers = [
            await ada.get(FOLDED),
            await ada.get(f"{FOLDED}/messages"),
            await ada.get("/api/chat/history?session_id=folded"),
            await ada.post(f"{FOLDED}/messages", json={"id": "new", "content": "x"}),
            await ada.patch(f"{FOLDED}/messages/new", json={"content": "y"}),
            await ada.patch(FOLDED, json={"session_name": "x"}),
            await ada.delete(f"{FOLDED}/messages/new"),
            await ada.delete(FOLDED),
        ]
        gone = await ada.get(FOLDED)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 201, 200, 200, 204, 204]
    assert gone.status_code == 404  # its mark is in the store, which is enough to know


async def test_a_source_that_comes_back_is_read_again(
    store: SessionStore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with migrating(store, tmp_path, list(RECORDS)) as product:
        content = product.path.read_bytes()
        damage(product.path)
        assert (await product.ada.get(LEGACY)).status_code == 503

        if product.path.is_dir():
            product.path.rmdir()
        product.path.write_bytes(content)

        assert (await product.ada.get(LEGACY)).status_code == 200
        assert (await product.ada.get("/readyz")).status_code == 200


async def test_a_source_that_fails_at_the_start_is_tried_again(
    store: SessionStore, tmp_path: Path
) -> None:
    path = write_source(tmp_path / "elsewhere.jsonl", RECORDS)
    missing = tmp_path / "missing.jsonl"
    (source,) = await open_sources([f"message-documents={missing}"], store.limits)
    folding = FoldingStore(store, [source])
    with pytest.raises(LegacySourceUnavailableError):
        await folding.read(SessionKey("ada", "legacy"))

    path.rename(missing)

    assert len((await folding.read(SessionKey("ada", "legacy"))).messages()) == 1
    await source.aclose()


async def test_damaged_records_hide_no_others(store: SessionStore, tmp_path: Path) -> None:
    records: list[dict[str, Any] | bytes] = [
        b"{",
        document("m1"),
        b'"text"',
        document("m2"),
        b"\xff",
    ]

    async with migrating(store, tmp_path, records) as product:
        session = (await product.ada.get(f"{SESSIONS}/s1")).json()

    assert [one["id"] for one in session["messages"]] == ["m1", "m2"]


async def test_what_a_product_still_writes_is_seen(store: SessionStore, tmp_path: Path) -> None:
    async with migrating(store, tmp_path, [document("m1")]) as product:
        first = await product.ada.get(f"{SESSIONS}/s1")
        with product.path.open("ab") as file:
            file.write(json.dumps(document("m2")).encode() + b"\n")

        second = await product.ada.get(
            f"{SESSIONS}/s1", headers={"If-None-Match": first.headers["etag"]}
        )

    assert [one["id"] for one in first.json()["messages"]] == ["m1"]
    assert [one["id"] for one in second.json()["messages"]] == ["m1", "m2"]
    assert second.headers["etag"] != first.headers["etag"]
