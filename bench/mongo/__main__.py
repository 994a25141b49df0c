"""`python -m bench.mongo [ENGINE] [SECONDS]`: the figures on MongoDB, each beside its limit."""

import asyncio
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

import fastapi
import pymongo

from bench import folding
from bench.figures import fold_table, rate_table
from bench.loading import require_wrk
from bench.mongo import appends, commands, reads
from bench.mongo.servers import Server, serving_engine
from tests.engines.building import EngineError

_ENGINE = "java"
"""It locks what it changes, which FerretDB does not."""
_SECONDS = "3"


def main() -> None:
    """Measure everything on one server, and print tables."""
    engine, seconds = [*sys.argv[1:], *(_ENGINE, _SECONDS)[len(sys.argv) - 1 :]][:2]
    require_wrk()
    try:
        with serving_engine(engine) as server:
            print(
                f"{server.name}, PyMongo {pymongo.version}, Python {platform.python_version()},"
                f" FastAPI {fastapi.__version__}, {os.cpu_count()} cores\n"
            )
            asyncio.run(_measure_served(server, int(seconds)))
            _measure_fold(server)
    except EngineError as error:
        sys.exit(str(error))


async def _measure_served(server: Server, seconds: int) -> None:
    print(await commands.measure(server), end="\n\n", flush=True)
    figures = await reads.measure(server, seconds)
    curves = [await appends.measure(server, seconds, size) for size in appends.CHARACTERS]
    figures += [curve.figure() for curve in curves]
    print(*(curve.table() for curve in curves), rate_table(figures), sep="\n\n", flush=True)


def _measure_fold(server: Server) -> None:
    with tempfile.TemporaryDirectory(prefix="chatfold-bench-") as folder:
        source = folding.source_of("dialogs", Path(folder))
        figure = folding.rate(source, "bench.mongo.bare_fold", server.database)
    print("", fold_table([figure]), sep="\n")


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # ends what was started, as Ctrl-C does
    main()
