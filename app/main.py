"""Composition root: settings → store → services → doors; alone in knowing everything."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api import health
from app.api.auth import authenticator_of
from app.api.chat.routes import ROUTES
from app.api.framing import Framing
from app.api.legacy import routes as legacy
from app.api.metrics import Metrics
from app.api.openapi import DocumentedApp
from app.api.problems import install_problems
from app.clock import Clock, SystemClock
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.service.flat_messages import FlatMessageService
from app.service.read_cache import ReadCache
from app.service.sessions import SessionService
from app.service.users import UserService
from app.settings import Settings
from app.store.factory import open_store
from app.store.port import SessionStore


def create_app(settings: Settings, store: SessionStore, clock: Clock) -> FastAPI:
    """The whole service on a store that is open, and stays its owner's to close."""
    app = _doors(settings, clock)
    _connect(app, settings, store, clock)
    return app


def serving_app() -> FastAPI:
    """The service as the environment wants it; opens its store at start, closes it at the end.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    settings = Settings.read()
    clock = SystemClock()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        store = await open_store(
            settings.store,
            write_timeout_seconds=settings.write_timeout_seconds,
            segment_bytes=settings.segment_bytes,
        )
        try:
            if sources := await open_sources(settings.legacy_sources, store.limits):
                store = FoldingStore(store, sources)
            _connect(app, settings, store, clock)
            yield
        finally:
            await store.aclose()

    return _doors(settings, clock, lifespan)


def _doors(
    settings: Settings, clock: Clock, lifespan: Lifespan[FastAPI] | None = None
) -> DocumentedApp:
    app = DocumentedApp(
        title="Chatfold",
        version=version("chatfold"),
        summary="One document per chat.",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    metrics = Metrics()
    app.state.settings = settings
    app.state.clock = clock
    app.state.metrics = metrics
    app.state.authenticator = authenticator_of(settings, clock)
    app.add_middleware(Framing, metrics=metrics, log_requests=settings.log_requests)
    install_problems(app)
    # Not by `include_router`, which finds each request's route twice, at 20 µs for the hot ones.
    app.router.routes.extend(ROUTES)
    app.include_router(legacy.router)
    app.include_router(health.router)
    return app


def _connect(app: FastAPI, settings: Settings, store: SessionStore, clock: Clock) -> None:
    cache = ReadCache(settings.read_cache_bytes)
    app.state.store = store
    app.state.sessions = SessionService(store, clock, cache)
    app.state.users = UserService(store, clock, cache)
    app.state.flat_messages = FlatMessageService(store, clock)
