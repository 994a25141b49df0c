"""What was folded is served: the hashes of the manifest, through `GET /api/chat/sessions/{id}`."""

import httpx

from app.clock import SystemClock
from app.main import create_app
from app.settings import Settings
from app.store.memory import MemoryStore
from tests.migrations.corpora import manifest_of, needs_corpora, session_hash, source_of
from tests.migrations.sources import fold

pytestmark = needs_corpora


async def test_the_dirty_dialogs_are_served_with_the_hashes_of_their_manifest() -> None:
    store = MemoryStore()
    await fold(source_of("dialogs.dirty"), store)
    truths = manifest_of("dialogs.dirty")["sessions"]
    transport = httpx.ASGITransport(create_app(Settings(store="memory://"), store, SystemClock()))

    async with httpx.AsyncClient(transport=transport, base_url="http://chatfold.test") as client:
        compared = 0
        for session_id, truth in truths.items():
            parts = truth.get("by_user") or {truth["user_id"]: truth}
            for user_id, part in parts.items():
                answer = await client.get(
                    f"/api/chat/sessions/{session_id}", params={"user_id": user_id}
                )
                if "session_without_any_user_id" in truth.get("flags", ()):
                    assert answer.status_code == 404
                    continue
                assert answer.status_code == 200
                session = answer.json()
                assert session["message_count"] == part["n"]
                assert session_hash(session["messages"]) == part["sha256"]
                compared += 1

    assert compared == 1507
