"""Open mode believes whoever asks, and nobody else."""

import pytest

from app.api.auth import Principal
from app.errors import InvalidInputError, PermissionDeniedError
from tests.api.auth.credentials import authenticator, request, settings


async def test_the_parameter_names_the_user() -> None:
    principal = await authenticator(settings()).principal(request(query="user_id=a%2Fb%20c"))

    assert principal == Principal("a/b c")


async def test_the_header_names_the_user_in_utf8() -> None:
    principal = await authenticator(settings()).principal(request(("x-user-id", "zoë")))

    assert principal == Principal("zoë")


async def test_a_request_may_name_nobody() -> None:
    principal = await authenticator(settings()).principal(request(query="limit=3"))

    assert principal == Principal(None)


async def test_parameter_and_header_may_agree() -> None:
    principal = await authenticator(settings()).principal(
        request(("x-user-id", "ada"), query="user_id=ada&user_id=ada")
    )

    assert principal == Principal("ada")


@pytest.mark.parametrize(
    ("header", "query"),
    [("bob", "user_id=ada"), ("ada", "user_id=ada&user_id=bob"), (None, "user_id=bob&user_id=ada")],
)
async def test_two_users_in_one_request_are_refused(header: str | None, query: str) -> None:
    headers = () if header is None else (("x-user-id", header),)

    with pytest.raises(PermissionDeniedError):
        await authenticator(settings()).principal(request(*headers, query=query))


@pytest.mark.parametrize("query", ["user_id=", "user_id=a%00b", "user_id=" + "x" * 1025])
async def test_a_user_that_is_no_id_is_refused(query: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        await authenticator(settings()).principal(request(query=query))

    assert [fault.pointer for fault in raised.value.faults] == ["user_id"]


async def test_a_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidInputError) as raised:
        await authenticator(settings()).principal(request(("x-user-id", b"zo\xeb")))

    assert [fault.pointer for fault in raised.value.faults] == ["X-User-Id"]


def test_a_body_may_name_the_user_where_the_request_does_not() -> None:
    agree = authenticator(settings()).agreed_user

    assert agree(Principal(None), "ada") == "ada"
    assert agree(Principal(None), None) is None
    assert agree(Principal("ada"), None) == "ada"
    assert agree(Principal("ada"), "ada") == "ada"


def test_a_body_that_names_another_user_is_refused() -> None:
    with pytest.raises(PermissionDeniedError):
        authenticator(settings()).agreed_user(Principal("ada"), "bob")
