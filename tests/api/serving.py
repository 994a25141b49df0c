"""Clients of a whole application that runs in the test's own process."""

from httpx import ASGITransport, AsyncClient

from app.clock import Clock
from app.main import create_app
from app.settings import Settings
from app.store.port import SessionStore


def client_of(settings: Settings, store: SessionStore, clock: Clock) -> AsyncClient:
    """A client to be entered; nothing is listened on."""
    app = create_app(settings, store, clock)
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://chatfold.test")
