"""A plain function as a dependency would cost each request a thread; all of ours are async."""

from collections.abc import Iterator
from inspect import iscoroutinefunction

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api.direct import DirectRoute
from app.main import create_app
from app.store.memory import MemoryStore
from tests.api.conftest import SETTINGS
from tests.fake_clock import FakeClock


def solved(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from solved(one)


def test_every_dependency_and_every_endpoint_is_async() -> None:
    app = create_app(SETTINGS, MemoryStore(), FakeClock())
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    calls = {route.endpoint for route in routes}
    for route in routes:
        if not isinstance(route, DirectRoute):  # whose dependencies are for the document alone
            calls |= {one.call for one in solved(route.dependant) if one.call is not None}

    threaded = [call for call in calls if not iscoroutinefunction(call)]

    assert len(calls) > 20
    assert threaded == []
