"""On every route for operators: no one else is let in; and their keys open nobody's data."""

from functools import cache
from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.api.auth import ADMIN_PATH
from app.main import create_app
from app.settings import Settings
from app.store.memory import MemoryStore
from tests.api.admin.serving import ADMIN_HASH, ADMIN_KEY
from tests.api.auth.credentials import (
    API_KEY,
    api_key_settings,
    claims,
    jwt_settings,
    settings,
    token,
)
from tests.api.auth.test_no_one_sees_anothers_data import operations as operations_for_users
from tests.api.requests import problem
from tests.api.serving import client_of
from tests.fake_clock import FakeClock

ORDER = {"job": "group-messages", "source": "/etc/passwd"}
ADMIN = {"admin_keys": (ADMIN_HASH,)}


@cache  # the document is costly, and does not change
def operations() -> list[tuple[str, str]]:
    document = create_app(settings(), MemoryStore(), FakeClock()).openapi()
    return [
        (method.upper(), path.replace("{run_id}", "a-run"))
        for path, methods in document["paths"].items()
        if path.startswith(ADMIN_PATH)
        for method in methods
    ]


async def answers(of: Settings, **headers: str) -> list[Response]:
    async with client_of(of, MemoryStore(), FakeClock()) as client:
        return [await ask(client, *operation, headers) for operation in operations()]


async def ask(client: AsyncClient, method: str, path: str, headers: dict[str, str]) -> Response:
    return await client.request(
        method, path, headers=headers, json=ORDER if method == "POST" else None
    )


def modes() -> list[Settings]:
    return [
        settings(**ADMIN),
        jwt_settings(**ADMIN, admin_claim="role=admin"),
        api_key_settings().model_copy(update=ADMIN),
    ]


def kinds(found: list[Response]) -> set[tuple[int, str]]:
    return {problem(answer)[:2] for answer in found}


def test_the_walk_meets_every_kind_of_route() -> None:
    assert len(operations()) == 11
    assert ("POST", "/api/admin/migrations/runs/a-run/rollback") in operations()


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_without_a_credential_nobody_is_let_in(number: int) -> None:
    found = await answers(modes()[number])

    assert kinds(found) == {(401, "unauthenticated")}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("key", ["another-key", ADMIN_HASH, "", "schlüssel"])
async def test_a_key_that_is_none_of_ours_lets_nobody_in(number: int, key: str) -> None:
    async with client_of(modes()[number], MemoryStore(), FakeClock()) as client:
        found = [
            await client.request(method, path, headers=[(b"X-API-Key", key.encode("latin-1"))])
            for method, path in operations()
            if method == "GET"
        ]

    assert kinds(found) == {(401, "unauthenticated")}


async def test_users_are_forbidden() -> None:
    _, jwt, api_key = modes()

    of_token = await answers(jwt, Authorization=f"Bearer {token()}")
    of_backend = await answers(api_key, **{"X-API-Key": API_KEY, "X-User-Id": "ada"})

    assert kinds(of_token) == kinds(of_backend) == {(403, "operator_required")}


@pytest.mark.parametrize(
    "claimed", [{"role": "administrator"}, {"role": ["user"]}, {"roles": "admin"}, {"role": True}]
)
async def test_other_claims_are_a_users(claimed: dict[str, Any]) -> None:
    found = await answers(modes()[1], Authorization=f"Bearer {token(**claimed)}")

    assert kinds(found) == {(403, "operator_required")}


async def test_a_token_with_the_claim_must_hold_as_well() -> None:
    expired = token(role="admin", exp=claims()["exp"] - 3600)
    forged = token("another secret of more than thirty-two bytes", role="admin")

    found = [
        *(await answers(modes()[1], Authorization=f"Bearer {expired}")),
        *(await answers(modes()[1], Authorization=f"Bearer {forged}")),
    ]

    assert kinds(found) == {(401, "unauthenticated")}


@pytest.mark.parametrize("of", [settings(), jwt_settings(), api_key_settings()])
async def test_where_no_operator_is_configured_there_is_no_door(of: Settings) -> None:
    found = [
        *(await answers(of)),
        *(await answers(of, **{"X-API-Key": API_KEY, "X-User-Id": "ada"})),
        *(await answers(of, Authorization=f"Bearer {token(role='admin')}")),
    ]

    assert kinds(found) == {(404, "admin_door_closed")}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
async def test_an_operators_key_lets_in_in_every_mode(number: int, header: str) -> None:
    credential = ADMIN_KEY if header == "X-API-Key" else f"Bearer {ADMIN_KEY}"

    async with client_of(modes()[number], MemoryStore(), FakeClock()) as client:
        answer = await client.get("/api/admin/status", headers={header: credential})

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("role", ["admin", ["user", "admin"]])
async def test_a_token_with_the_claim_lets_in(role: Any) -> None:
    async with client_of(modes()[1], MemoryStore(), FakeClock()) as client:
        answer = await client.get(
            "/api/admin/status", headers={"Authorization": f"Bearer {token(role=role)}"}
        )

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("number", [1, 2])
async def test_an_operators_key_opens_no_users_data(number: int) -> None:
    headers = {"X-API-Key": ADMIN_KEY, "Authorization": f"Bearer {ADMIN_KEY}", "X-User-Id": "ada"}

    async with client_of(modes()[number], MemoryStore(), FakeClock()) as client:
        statuses = {
            operation.id: (await operation.call(client, **headers)).status_code
            for operation in operations_for_users()
            if operation.path.startswith("/api/")
        }

    assert len(statuses) > 15
    assert statuses == dict.fromkeys(statuses, 401)


async def test_a_service_without_an_engine_says_so() -> None:
    async with client_of(modes()[0], MemoryStore(), FakeClock()) as client:
        answer = await client.get("/api/admin/migrations", headers={"X-API-Key": ADMIN_KEY})

    assert problem(answer)[:2] == (409, "engine_refusal")
