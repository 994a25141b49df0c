"""Operators name a container over HTTP; its key stays with the service, as do its options."""

from pathlib import Path

from tests.api.admin.serving import MIGRATIONS, end, served
from tests.cosmos.server import CosmosServer
from tests.migrations.sources import document


async def test_a_container_is_planned_over_http(account: CosmosServer, tmp_path: Path) -> None:
    account.container.put([document("m1"), document("m2", session_id="s2")])
    order = {"job": "group-messages", "source": f"cosmos://{account.host}/chat/messages"}

    async with served(tmp_path, f"cosmos://{account.host}/chat?tls=false") as operator:
        answer = await operator.post(f"{MIGRATIONS}/plan", json=order)

    assert end(answer)["report"]["sessions"]["created"] == 2
