"""Clients of a whole application that runs in the test's own process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.clock import Clock
from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore


def client_of(settings: Settings, store: SessionStore, clock: Clock) -> AsyncClient:
    """A client to be entered; nothing is listened on."""
    app = create_app(settings, store, clock)
    app.state.live.end()  # this transport waits for whole answers, and a stream has no end
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://chatfold.test")


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[int]:
    """Serve on a free port of this machine's loopback, in this event loop."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None)
        )
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            app.state.live.end()
            server.should_exit = True
            await task
