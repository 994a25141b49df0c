"""API keys let backends act for the users that they name."""

import pytest

from app.api.auth import Principal
from app.errors import (
    AuthenticationError,
    InvalidInputError,
    PermissionDeniedError,
    UserRequiredError,
)
from tests.api.auth.credentials import API_KEY, api_key_settings, authenticator, request


@pytest.mark.parametrize("header", [("x-api-key", API_KEY), ("authorization", f"bearer {API_KEY}")])
async def test_a_known_key_acts_for_the_user_it_names(header: tuple[str, str]) -> None:
    principal = await authenticator(api_key_settings()).principal(
        request(header, ("x-user-id", "ada"))
    )

    assert principal == Principal("ada")


async def test_every_configured_key_is_known() -> None:
    one_of_three = authenticator(api_key_settings("first", "second", "third"))

    for key in ("first", "second", "third"):
        asking = request(("x-api-key", key), query="user_id=ada")
        assert await one_of_three.principal(asking) == Principal("ada")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("x-api-key", ""),),
        (("x-api-key", "another key"),),
        (("x-api-key", b"\xff\xfe"),),
        (("x-api-key", "another key"), ("authorization", f"Bearer {API_KEY}")),
        (("authorization", f"Basic {API_KEY}"),),
        (("authorization", "Bearer "),),
        (("authorization", "Bearer"),),
    ],
)
async def test_without_a_known_key_nobody_is_let_in(
    headers: tuple[tuple[str, str | bytes], ...],
) -> None:
    asking = request(*headers, ("x-user-id", "ada"))

    with pytest.raises(AuthenticationError):
        await authenticator(api_key_settings()).principal(asking)


async def test_the_hash_of_a_key_is_no_key() -> None:
    configured = api_key_settings()
    asking = request(("x-api-key", configured.api_key_hashes[0]), ("x-user-id", "ada"))

    with pytest.raises(AuthenticationError):
        await authenticator(configured).principal(asking)


async def test_a_backend_must_name_a_user() -> None:
    with pytest.raises(UserRequiredError):
        await authenticator(api_key_settings()).principal(request(("x-api-key", API_KEY)))


async def test_a_backend_that_names_two_users_is_refused() -> None:
    asking = request(("x-api-key", API_KEY), ("x-user-id", "ada"), query="user_id=bob")

    with pytest.raises(PermissionDeniedError):
        await authenticator(api_key_settings()).principal(asking)


async def test_an_empty_user_is_refused() -> None:
    asking = request(("x-api-key", API_KEY), ("x-user-id", ""))

    with pytest.raises(InvalidInputError):
        await authenticator(api_key_settings()).principal(asking)
