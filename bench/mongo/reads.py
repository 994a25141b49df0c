"""Whole reads beside the bare `find_one`: without the read cache and with it."""

from bench.figures import Figure
from bench.loading import in_turn, load
from bench.mongo.servers import Server
from bench.serving import fill, served
from bench.texts import texts

_MESSAGES = 200
_CHARACTERS = 500
_SERVED = "bench.mongo.served:app"


async def measure(server: Server, seconds: int) -> list[Figure]:
    """What is wanted counts where the store answers."""
    figures: list[Figure] = []
    with server.database() as url:
        for name, environment, wanted in (
            ("without the read cache", {"CHATFOLD_READ_CACHE_BYTES": "0"}, 0.75),
            ("from the read cache", {}, None),
        ):
            async with served(_SERVED, {"CHATFOLD_STORE": url, **environment}) as client:
                if not figures:
                    await fill(client, "whole", _MESSAGES, texts(_CHARACTERS, _MESSAGES))
                rate, limit = await in_turn(
                    lambda: load("/api/chat/sessions/whole", seconds),
                    lambda: load("/limit/read/whole", seconds),
                )
            what = f"whole read of {_MESSAGES} messages, {name} ÷ the bare `find_one`"
            figures.append(Figure(what, rate, limit, wanted))
    return figures
