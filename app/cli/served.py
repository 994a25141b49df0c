"""What each process of `chatfold serve` serves: the application, and the fold for operators."""

from functools import partial

from app.main import serving_app
from app.service.migration_engine import MigrationEngine
from app.settings import Settings
from app.store.port import SessionStore
from migrations.engine import ProcessEngine


def _engine_of(settings: Settings, store: SessionStore) -> MigrationEngine | None:
    if settings.store.startswith("memory:"):
        return None  # no process of its own could reach the store
    return ProcessEngine(store, settings.store, settings.admin_sources)


served_app = partial(serving_app, _engine_of)
