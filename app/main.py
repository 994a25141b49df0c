"""Composition root: settings → store → services → doors; alone in knowing everything."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from time import perf_counter
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api import health
from app.api.admin import migration_routes, status_routes
from app.api.auth import authenticator_of
from app.api.callers import Callers
from app.api.chat.routes import ROUTES
from app.api.framing import Framing
from app.api.legacy import routes as legacy
from app.api.metrics import Metrics
from app.api.openapi import DocumentedApp
from app.api.pages import routes as pages
from app.api.problems import install_problems
from app.api.projects import flat_routes
from app.api.projects import routes as project_routes
from app.api.slow_requests import SlowRequests
from app.api.v1 import routes as v1
from app.assistant.chat_completions import ChatCompletions, Upstream
from app.assistant.port import Assistant
from app.clock import Clock, SystemClock
from app.ending import told_of_the_end
from app.legacy.folding_store import FoldingStore
from app.legacy.opening import open_sources
from app.service.artifacts import ArtifactService
from app.service.flat_messages import FlatMessageService
from app.service.live import LiveService
from app.service.migration_engine import MigrationEngine
from app.service.project_chat import ProjectChatService
from app.service.project_context import ProjectContextService
from app.service.project_sessions import ProjectSessionService
from app.service.projects import ProjectService
from app.service.read_cache import ReadCache
from app.service.replies import ReplyService
from app.service.reply_writing import ReplyPace
from app.service.sessions import SessionService
from app.service.status import StatusService, StorePlace
from app.service.users import UserService
from app.service.workspace_sessions import WorkspaceSessionService
from app.settings import Settings
from app.store.factory import open_store
from app.store.port import SessionStore
from app.store.urls import shown_url

_ROUTES = [
    *ROUTES,  # of the canonical door, the hot ones: matching goes from the top
    *legacy.router.routes,
    *project_routes.router.routes,
    *flat_routes.router.routes,
    *v1.ROUTES,
    *pages.router.routes,
    *migration_routes.router.routes,
    *status_routes.router.routes,
    *health.router.routes,
]

_REPLY_PACE = ReplyPace()

MakeEngine = Callable[[Settings, SessionStore], MigrationEngine | None]
"""Gives the service its engine of migrations, which it knows by its port alone."""


def create_app(
    settings: Settings,
    store: SessionStore,
    clock: Clock,
    engine: MigrationEngine | None = None,
    assistant: Assistant | None = None,
    reply_pace: ReplyPace = _REPLY_PACE,
) -> FastAPI:
    """The whole service on what is open, and stays its owner's to close."""
    app = _doors(settings, clock)
    _connect(app, settings, store, clock, engine, assistant, reply_pace)
    return app


def serving_app(make_engine: MakeEngine | None = None) -> FastAPI:
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
            if sources := await open_sources(
                settings.legacy_sources, store.limits, cosmos_key=settings.cosmos_key
            ):
                store = FoldingStore(store, sources)
            engine = None if make_engine is None else make_engine(settings, store)
            assistant = _assistant_of(settings)
            replies = _connect(app, settings, store, clock, engine, assistant)
            try:
                with told_of_the_end(partial(_end_streams, app.state.live, replies)):
                    yield
            finally:
                await replies.aclose()
                if assistant is not None:
                    await assistant.aclose()
                if engine is not None:
                    await engine.aclose()
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
    slow_requests = SlowRequests(clock, perf_counter)
    app.state.settings = settings
    app.state.clock = clock
    app.state.metrics = metrics
    app.state.slow_requests = slow_requests
    app.state.callers = Callers(clock.now())
    app.state.authenticator = authenticator_of(settings, clock)
    app.add_middleware(
        Framing, metrics=metrics, slow_requests=slow_requests, log_requests=settings.log_requests
    )
    install_problems(app)
    # Not by `include_router`, which finds each request's route twice, at 20 µs, and builds it anew
    # for each application, at 8 ms.
    app.router.routes.extend(_ROUTES)
    return app


def _connect(
    app: FastAPI,
    settings: Settings,
    store: SessionStore,
    clock: Clock,
    engine: MigrationEngine | None,
    assistant: Assistant | None,
    reply_pace: ReplyPace = _REPLY_PACE,
) -> ReplyService:
    cache = ReadCache(settings.read_cache_bytes)
    app.state.store = store
    app.state.migration_engine = engine
    app.state.status = StatusService(store, _place_of(settings.store), clock, cache)
    sessions = SessionService(store, clock, cache)
    app.state.sessions = sessions
    projects = ProjectService(store, sessions, clock)
    app.state.projects = projects
    app.state.project_context = ProjectContextService(store, projects, clock)
    app.state.artifacts = ArtifactService(store, projects, clock)
    project_sessions = ProjectSessionService(store, sessions, projects)
    app.state.project_sessions = project_sessions
    app.state.workspace_sessions = WorkspaceSessionService(store, projects, project_sessions)
    app.state.live = LiveService(store)
    app.state.users = UserService(store, clock, cache)
    app.state.flat_messages = FlatMessageService(store, clock)
    replies = ReplyService(
        store,
        clock,
        assistant,
        prompt_tokens=settings.assistant_prompt_tokens,
        replies_limit=settings.assistant_replies,
        pace=reply_pace,
    )
    app.state.replies = replies
    app.state.project_chat = ProjectChatService(
        replies, projects, project_sessions, app.state.artifacts
    )
    return replies


def _end_streams(live: LiveService, replies: ReplyService) -> None:
    live.end()
    replies.end()


def _assistant_of(settings: Settings) -> Assistant | None:
    if settings.assistant_url is None:
        return None
    key = settings.assistant_api_key
    return ChatCompletions(
        Upstream(
            settings.assistant_url,
            str(settings.assistant_model),
            None if key is None else key.get_secret_value(),
            idle_seconds=settings.assistant_idle_seconds,
            total_seconds=settings.assistant_total_seconds,
        )
    )


def _place_of(url: str) -> StorePlace:
    return StorePlace(urlsplit(url).scheme.removesuffix("+srv"), shown_url(url))
