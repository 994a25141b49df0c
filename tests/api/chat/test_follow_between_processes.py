"""A session is followed in one process and written in others, and nothing is lost between them."""

import asyncio
from itertools import count
from random import Random

import httpx

from tests.api.listening import listening
from tests.api.replica import Replica
from tests.api.requests import MESSAGES, SESSION, append, make_session
from tests.serving import Server, serving
from tests.store_kind import Place

EVENTS = f"{SESSION}/events"
WRITES = 60
END_SECONDS = 10


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"X-User-Id": "ada"}, timeout=30)


def random_of(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - nothing is to be kept secret


async def write(client: httpx.AsyncClient, name: str, random: Random) -> None:
    """Append batches, edit, delete and rename, all over the session."""
    ids: list[str] = []
    for number in range(WRITES):
        match random.choice(["append", "append", "edit", "delete", "rename"]):
            case "edit" if ids:
                body = {"content": f"edit {number} of {name}"}
                answer = await client.patch(f"{MESSAGES}/{random.choice(ids)}", json=body)
            case "delete" if ids:
                gone = ids.pop(random.randrange(len(ids)))
                answer = await client.delete(f"{MESSAGES}/{gone}")
            case "rename":
                body = {"session_name": f"name {number} of {name}"}
                answer = await client.put(SESSION, json=body)
            case _:
                some = [f"{name}-{number}-{place}" for place in range(random.randint(1, 3))]
                answer = await client.post(
                    MESSAGES, json=[{"id": one, "content": one} for one in some]
                )
                ids += some
        assert answer.is_success, answer.text


async def follow(client: httpx.AsyncClient, replica: Replica, random: Random) -> int:
    """Follow up to the message `last`, and hang up again and again; returns how often."""
    for times in count(1):
        async with listening(client, EVENTS, last_event_id=replica.bookmark) as listener:
            for _ in range(random.randint(1, 9)):
                event = await listener.next()
                assert event is not None
                replica.hear(event)
                if event.data.get("content") == "last":
                    return times
    raise AssertionError


async def test_two_writers_and_a_listener_that_hangs_up_all_the_time(place: Place) -> None:
    async with (
        serving(place) as first,
        serving(place) as second,
        client_of(first) as ada,
        client_of(second) as other,
    ):
        await make_session(ada)
        await append(ada, "first")
        replica = Replica((await other.get(SESSION)).json())
        following = asyncio.create_task(follow(other, replica, random_of(1)))
        await asyncio.gather(write(ada, "a", random_of(2)), write(other, "b", random_of(3)))
        await append(ada, "last")
        times = await asyncio.wait_for(following, timeout=60)

        assert times > 10
        assert replica.is_like((await ada.get(SESSION)).json())


async def test_a_process_that_ends_lets_its_listeners_go_on_at_another(place: Place) -> None:
    async with (
        serving(place) as first,
        serving(place) as second,
        client_of(first) as ada,
        client_of(second) as other,
    ):
        await make_session(ada)
        replica = Replica((await ada.get(SESSION)).json())
        async with listening(other, EVENTS, since=replica.bookmark) as listener:
            replica.hear(await listener.heard("ready"))
            await append(ada, "heard")
            replica.hear(await listener.heard("message"))
            second.process.terminate()
            rest = await asyncio.wait_for(listener.rest(), timeout=END_SECONDS)
        await asyncio.wait_for(second.process.wait(), timeout=END_SECONDS)
        await append(ada, "missed")

        async with listening(ada, EVENTS, last_event_id=replica.bookmark) as listener:
            replica.hear(await listener.heard("ready"))
            replica.hear(await listener.heard("message"))

        assert rest == []
        assert replica.is_like((await ada.get(SESSION)).json())
