"""Every request has an id, and whatever happens inside, it is answered and can be found again."""

import logging

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.api.framing import Framing
from app.api.logs import current_request_id
from app.api.metrics import Metrics
from app.api.slow_requests import SlowRequests
from app.domain.encoded import EncodedSession
from app.domain.identity import SessionKey
from app.store.memory import MemoryStore
from app.store.port import WHOLE, ReadSelection
from tests.api.auth.credentials import settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock


def never_slow() -> SlowRequests:
    return SlowRequests(FakeClock(), lambda: 0.0)


class BrokenStore(MemoryStore):
    """A store with a mistake in it."""

    async def read(
        self,
        key: SessionKey,
        selection: ReadSelection = WHOLE,  # noqa: ARG002 - the port's
    ) -> EncodedSession:
        raise ZeroDivisionError(f"the secret of {key.session_id}")


async def test_a_request_id_is_taken_over_and_sent_back(clock: FakeClock) -> None:
    async with client_of(settings(), MemoryStore(), clock) as client:
        answer = await client.get("/api/chat/history", headers={"X-Request-ID": "trace-1._Z"})

    assert answer.headers.get_list("x-request-id") == ["trace-1._Z"]
    assert answer.json()["request_id"] == "trace-1._Z"


@pytest.mark.parametrize("offered", ["", "a b", 'a"b', "a\tb", "x" * 129, "zoë"])
async def test_an_unfit_request_id_is_replaced(offered: str, clock: FakeClock) -> None:
    async with client_of(settings(), MemoryStore(), clock) as client:
        answer = await client.get("/healthz", headers={b"X-Request-ID": offered.encode()})

    (given,) = answer.headers.get_list("x-request-id")
    assert given != offered
    assert len(given) == 24


async def test_every_request_has_another_id(clock: FakeClock) -> None:
    async with client_of(settings(), MemoryStore(), clock) as client:
        ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


async def test_an_unexpected_error_is_a_problem_without_internals_and_a_traceback_in_the_log(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(settings(), BrokenStore(), clock) as client:
        answer = await client.get(
            "/api/chat/sessions/s?user_id=ada", headers={"X-Request-ID": "trace-1"}
        )

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "trace-1"
    assert answer.json()["request_id"] == "trace-1"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert "ZeroDivisionError: the secret of s" in caplog.text
    assert "GET /api/chat/sessions/{session_id}: 500" in caplog.messages


async def test_requests_that_go_well_are_not_logged(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    async with client_of(settings(), MemoryStore(), clock) as client:
        await client.get("/healthz")
        await client.get("/api/chat/sessions/unknown?user_id=ada")

    assert caplog.messages == []


async def test_all_requests_are_logged_when_told(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    async with client_of(settings(log_requests=True), MemoryStore(), clock) as client:
        await client.get("/api/chat/sessions/un%2fknown?user_id=ada")

    assert caplog.messages == ["GET /api/chat/sessions/{session_id}: 404"]
    assert vars(caplog.records[0])["path"] == "/api/chat/sessions/un%2Fknown"


def framed(app: Framing) -> AsyncClient:
    transport = ASGITransport(app=app)
    return AsyncClient(transport=transport, base_url="http://chatfold.test")


async def test_slow_requests_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    ticks = iter([10.0, 11.5])
    monkeypatch.setattr("app.api.framing.perf_counter", lambda: next(ticks))
    caplog.set_level(logging.INFO, "app")
    async with framed(
        Framing(answer, metrics=Metrics(), slow_requests=never_slow(), log_requests=False)
    ) as client:
        await client.get("/x")

    assert caplog.messages == ["GET unmatched: 204"]
    assert vars(caplog.records[0])["seconds"] == 1.5


async def test_an_answer_that_breaks_off_is_logged_and_raised_to_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def break_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError

    async with framed(
        Framing(break_off, metrics=Metrics(), slow_requests=never_slow(), log_requests=False)
    ) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/x")

    assert "The request failed after its answer had begun." in caplog.messages


async def test_a_client_that_leaves_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()

    async def leave(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientDisconnect

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        pytest.fail("nobody is there")

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "headers": []}
    await Framing(leave, metrics=metrics, slow_requests=never_slow(), log_requests=False)(
        scope, receive, send
    )

    assert caplog.messages == []
    counted = 'chatfold_requests_total{method="GET",route="unmatched",status="aborted"} 1.0'
    assert counted in metrics.render().decode()


async def test_whoever_logs_during_a_request_can_know_its_id() -> None:
    seen: list[str | None] = []

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(current_request_id.get())
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async with framed(
        Framing(answer, metrics=Metrics(), slow_requests=never_slow(), log_requests=False)
    ) as client:
        await client.get("/x", headers={"X-Request-ID": "trace-1"})

    assert seen == ["trace-1"]
    assert current_request_id.get() is None


async def test_what_is_not_http_passes_untouched() -> None:
    seen: list[str] = []

    async def note(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def ignore(_message: object) -> None:
        return

    await Framing(note, metrics=Metrics(), slow_requests=never_slow(), log_requests=False)(
        {"type": "lifespan"}, nothing, ignore
    )

    assert seen == ["lifespan"]
