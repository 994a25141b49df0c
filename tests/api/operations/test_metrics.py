"""Figures for Prometheus: bounded in labels, and free of users and ids."""

from httpx import AsyncClient

from app.api.metrics import Metrics
from app.store.memory import MemoryStore
from tests.api.auth.credentials import api_key_settings, settings
from tests.api.serving import client_of
from tests.fake_clock import FakeClock


def figures(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(name + "{")]


async def test_requests_are_counted_by_method_route_and_class_of_status(
    clock: FakeClock,
) -> None:
    async with client_of(settings(), MemoryStore(), clock) as client:
        await client.post("/api/chat/sessions?user_id=ada", json={"id": "secret-session"})
        for session_id in ("secret-session", "other"):
            await client.get(f"/api/chat/sessions/{session_id}?user_id=ada")
        await client.get("/nowhere/secret-path")

        text = (await client.get("/metrics")).text

    assert figures(text, "chatfold_requests_total") == [
        'chatfold_requests_total{method="POST",route="/api/chat/sessions",status="2xx"} 1.0',
        (
            'chatfold_requests_total{method="GET",route="/api/chat/sessions/{session_id}",'
            'status="2xx"} 1.0'
        ),
        (
            'chatfold_requests_total{method="GET",route="/api/chat/sessions/{session_id}",'
            'status="4xx"} 1.0'
        ),
        'chatfold_requests_total{method="GET",route="unmatched",status="4xx"} 1.0',
    ]
    assert figures(text, "chatfold_request_seconds_count") == [
        'chatfold_request_seconds_count{method="POST",route="/api/chat/sessions"} 1.0',
        'chatfold_request_seconds_count{method="GET",route="/api/chat/sessions/{session_id}"} 2.0',
        'chatfold_request_seconds_count{method="GET",route="unmatched"} 1.0',
    ]
    assert "secret" not in text


async def test_invented_methods_share_a_label(clock: FakeClock) -> None:
    async with client_of(settings(), MemoryStore(), clock) as client:
        for method in ("BREW", "WHEN"):
            await client.request(method, "/healthz")

        text = (await client.get("/metrics")).text

    assert 'method="other"' in text
    assert "BREW" not in text
    assert "WHEN" not in text


async def test_figures_need_no_credential(clock: FakeClock) -> None:
    async with client_of(api_key_settings(), MemoryStore(), clock) as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")


async def test_each_application_has_figures_of_its_own(clock: FakeClock) -> None:
    async with (
        client_of(settings(), MemoryStore(), clock) as first,
        client_of(settings(), MemoryStore(), clock) as second,
    ):
        await first.get("/readyz")

        assert "/readyz" in await text_of(first)
        assert "/readyz" not in await text_of(second)


def test_at_most_a_hundred_clients_have_a_label() -> None:
    metrics = Metrics()
    for number in range(150):
        metrics.count_deprecated_call("/old", f"client-{number}/1.0")
    metrics.count_deprecated_call("/old", "client-7/2.0")

    calls = figures(metrics.render().decode(), "chatfold_deprecated_calls_total")

    assert len(calls) == 101
    assert 'chatfold_deprecated_calls_total{client="client-7",endpoint="/old"} 2.0' in calls
    assert 'chatfold_deprecated_calls_total{client="other",endpoint="/old"} 50.0' in calls


async def text_of(client: AsyncClient) -> str:
    return (await client.get("/metrics")).text
