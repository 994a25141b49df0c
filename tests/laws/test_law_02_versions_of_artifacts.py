"""Law 2 for artifacts: whichever server is asked, a number is given once, and so is a version."""

import asyncio
from contextlib import AsyncExitStack

import httpx

from tests.serving import serving
from tests.store_kind import Place

UPDATES = 50
_TRIES = 10


async def _put(client: httpx.AsyncClient, artifact: str, n: int) -> httpx.Response:
    """The answer to an update, which is sent again where the store says that it has to wait."""
    for _ in range(_TRIES):
        answer = await client.post(
            f"{artifact}/versions",
            json={"content": f"text {n}"},
            headers={"Idempotency-Key": f"k{n}"},
        )
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return answer
    raise AssertionError(answer.text)


async def test_fifty_updates_on_two_servers_have_fifty_numbers(place: Place) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(place)) for _ in range(2)]
        one, other = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=server.url, headers={"X-User-Id": "ada"}, timeout=30)
            )
            for server in servers
        ]
        wanted = {"workspace_id": "w", "intent": "x"}
        project = (await one.post("/api/v1/projects", json=wanted)).headers["location"]
        body = {"name": "notes", "content": "first"}
        artifact = (await other.post(f"{project}/artifacts", json=body)).headers["location"]

        # Each is sent twice, to both servers, as one that lost its answer would be.
        answers = await asyncio.gather(
            *(_put(client, artifact, n) for n in range(UPDATES) for client in (one, other))
        )

        assert {answer.status_code for answer in answers} == {201}
        told = {(answer.json()["version"], answer.json()["content"]) for answer in answers}
        assert sorted(number for number, _ in told) == list(range(2, UPDATES + 2))
        assert {text for _, text in told} == {f"text {n}" for n in range(UPDATES)}
        assert (await one.get(artifact)).json()["version"] == UPDATES + 1
