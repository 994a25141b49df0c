"""`chatfold serve`: the HTTP service in the foreground, until it is interrupted."""

import asyncio
import logging
import logging.config
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.api.logs import logging_configuration
from app.api.metrics import MULTIPROCESS_FOLDER
from app.errors import AppError
from app.legacy.opening import named_source
from app.settings import PREFIX, Settings
from app.store.factory import open_store
from app.store.urls import shown_url

SHUTDOWN_SECONDS = 30
"""How long requests in flight may go on once the service was told to stop."""

_BACKLOG = 2048

_log = logging.getLogger(__name__)


class WorkerError(AppError):
    """A process that should serve has ended before it did."""

    code = "worker"
    title = "A worker did not start"

    def __init__(self) -> None:
        super().__init__("A worker could not start; the log says why.")


class ListenError(AppError):
    """The host and port cannot be listened on."""

    code = "listen"
    title = "Cannot listen"


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (CHATFOLD_HOST).", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 takes a free one (CHATFOLD_PORT).", metavar="PORT"),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where sessions are kept, as a URL (CHATFOLD_STORE).", metavar="URL"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="How many processes serve (CHATFOLD_WORKERS).", metavar="NUMBER"),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="debug, info, warning or error (CHATFOLD_LOG_LEVEL).", metavar="LEVEL"),
    ] = None,
) -> None:
    """Serve sessions over HTTP; options go before the environment."""
    options = {
        "host": host,
        "port": port,
        "store": store,
        "workers": workers,
        "log_level": log_level,
    }
    overrides = {name: value for name, value in options.items() if value is not None}
    logging.config.dictConfig(logging_configuration("info"))  # reading the settings may warn
    settings = Settings.read(**overrides)
    # The processes that serve read the environment, wherever a setting came from.
    os.environ.update({PREFIX + name.upper(): str(value) for name, value in overrides.items()})
    logs = logging_configuration(settings.log_level)
    logging.config.dictConfig(logs)
    asyncio.run(_try_store(settings))
    with _listening_socket(settings) as listening:
        _log.info(
            "Chatfold serves %s on http://%s:%d.",
            shown_url(settings.store),
            f"[{settings.host}]" if ":" in settings.host else settings.host,
            listening.getsockname()[1],
        )
        _run(settings, listening, logs)


async def _try_store(settings: Settings) -> None:
    """Open the store and name the sources once: what is wrong is a sentence, no worker's end."""
    store = await open_store(
        settings.store,
        write_timeout_seconds=settings.write_timeout_seconds,
        segment_bytes=settings.segment_bytes,
    )
    try:
        for one in settings.legacy_sources:
            source = named_source(one, store.limits, cosmos_key=settings.cosmos_key)
            await source.aclose()
    finally:
        await store.aclose()


@contextmanager
def _listening_socket(settings: Settings) -> Generator[socket.socket]:
    # Bound here, because uvicorn ends the process where it cannot, and says less about it.
    where = f"{settings.host} port {settings.port}"
    try:
        addresses = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ListenError(f"Cannot listen on {where}: {error.strerror}.") from None
    # `localhost` may be both; those who are sent there try IPv4 at any rate.
    family, kind, protocol, _, address = min(addresses, key=lambda one: one[0] != socket.AF_INET)
    with socket.socket(family, kind, protocol) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            raise ListenError(f"Cannot listen on {where}: {error.strerror}.") from None
        listening.set_inheritable(True)
        yield listening


def _run(settings: Settings, listening: socket.socket, logs: dict[str, Any]) -> None:
    configuration = uvicorn.Config(
        "app.cli.served:served_app",
        factory=True,
        workers=settings.workers,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=logs,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the caller's address
        backlog=_BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    if settings.workers == 1:
        with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
            uvicorn.Server(configuration).run([listening])
    else:
        with _shared_figures():
            supervisor = Multiprocess(configuration, [listening])
            supervisor.run()
        # uvicorn gives up then, and ends as if it had been told to.
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            raise WorkerError


@contextmanager
def _shared_figures() -> Generator[None]:
    """A folder for the workers' figures, so that any of them can answer for all."""
    if MULTIPROCESS_FOLDER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="chatfold-metrics-") as folder:
        os.environ[MULTIPROCESS_FOLDER] = folder
        yield
