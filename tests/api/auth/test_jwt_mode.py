"""A token speaks for its subject, and for nobody where anything about it does not hold."""

import math
from typing import Any

import pytest

from app.api.auth import Principal
from app.errors import AuthenticationError, InvalidInputError, PermissionDeniedError
from app.settings import Settings
from tests.api.auth.credentials import (
    SECRET,
    authenticator,
    jwt_settings,
    other_rsa_key,
    public_pem,
    request,
    rsa_key,
    token,
    token_of_parts,
)
from tests.fake_clock import FakeClock, instant

NOT_A_TOKEN = [
    "",
    ".",
    "..",
    "garbage",
    "a.b.c",
    "a.b.c.d",
    "e30.e30.e30",
    "\x00.\x00.\x00",
    "zoë.zoë.zoë",
    "W10.W10.W10",
    "bnVsbA.bnVsbA.bnVsbA",
    "A" * 10_000,
    "W1tb" * 5_000 + ".e30.e30",  # a header nested as deep as no reader goes
]


def rs256_settings() -> Settings:
    return jwt_settings(jwt_public_key=public_pem())


async def test_an_hs256_token_speaks_for_its_subject() -> None:
    principal = await authenticator(jwt_settings()).principal(request(bearer=token()))

    assert principal == Principal("ada")


async def test_an_rs256_token_speaks_for_its_subject() -> None:
    principal = await authenticator(rs256_settings()).principal(request(bearer=token(rsa_key())))

    assert principal == Principal("ada")


async def test_one_of_several_audiences_is_enough() -> None:
    principal = await authenticator(jwt_settings()).principal(
        request(bearer=token(aud=["billing", "chatfold"]))
    )

    assert principal == Principal("ada")


async def test_a_request_may_repeat_what_the_token_says() -> None:
    asking = request(("x-user-id", "ada"), query="user_id=ada", bearer=token())

    principal = await authenticator(jwt_settings()).principal(asking)

    assert principal == Principal("ada")


@pytest.mark.parametrize(("header", "query"), [("bob", ""), (None, "user_id=bob")])
async def test_a_request_cannot_name_another_user(header: str | None, query: str) -> None:
    headers = () if header is None else (("x-user-id", header),)

    with pytest.raises(PermissionDeniedError):
        await authenticator(jwt_settings()).principal(
            request(*headers, query=query, bearer=token())
        )


async def test_an_invalid_user_beside_a_good_token_is_bad_input() -> None:
    with pytest.raises(InvalidInputError):
        await authenticator(jwt_settings()).principal(request(query="user_id=", bearer=token()))


async def test_without_a_token_nobody_is_let_in() -> None:
    with pytest.raises(AuthenticationError, match="Send a token"):
        await authenticator(jwt_settings()).principal(request(("x-user-id", "ada")))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": None}, "The token lacks the claim exp."),
        ({"exp": int(instant(0).timestamp())}, "The token has expired."),
        ({"exp": -1}, "The token has expired."),
        ({"exp": "4102444800"}, "The token's exp is not a number."),
        ({"exp": True}, "The token's exp is not a number."),
        ({"exp": math.nan}, "The token's exp is not a number."),
        ({"exp": math.inf}, "The token's exp is not a number."),
        ({"nbf": int(instant(60).timestamp())}, "The token is not valid yet."),
        ({"nbf": "tomorrow"}, "The token's nbf is not a number."),
        ({"aud": None}, "The token lacks the claim aud."),
        ({"aud": "billing"}, "The token is for another audience."),
        ({"aud": ["billing"]}, "The token is for another audience."),
        ({"aud": 1}, "The token is for another audience."),
        ({"iss": None}, "The token lacks the claim iss."),
        ({"iss": "https://other.example"}, "The token is from another issuer."),
        ({"iss": 1}, "The token is from another issuer."),
        ({"sub": None}, "The token lacks the claim sub."),
        ({"sub": 7}, "The token's subject is not text."),
        ({"sub": {"id": "ada"}}, "The token's subject is not text."),
        ({"sub": ""}, "The token's subject is no user id."),
        ({"sub": "a\0b"}, "The token's subject is no user id."),
        ({"sub": "\ud800"}, "The token's subject is no user id."),
    ],
)
async def test_a_claim_that_does_not_hold_lets_nobody_in(
    changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(AuthenticationError) as raised:
        await authenticator(jwt_settings()).principal(request(bearer=token(**changed)))

    assert str(raised.value) == reason


@pytest.mark.parametrize("garbage", NOT_A_TOKEN)
@pytest.mark.parametrize("configured", [jwt_settings, rs256_settings])
async def test_garbage_lets_nobody_in(garbage: str, configured: Any) -> None:
    with pytest.raises(AuthenticationError):
        await authenticator(configured()).principal(request(bearer=garbage))


@pytest.mark.parametrize("algorithm", ["none", "nOnE", "NONE", "", None])
@pytest.mark.parametrize("configured", [jwt_settings, rs256_settings])
async def test_an_unsigned_token_lets_nobody_in(algorithm: str | None, configured: Any) -> None:
    unsigned = token_of_parts({"alg": algorithm, "typ": "JWT"}, None)

    with pytest.raises(AuthenticationError):
        await authenticator(configured()).principal(request(bearer=unsigned))


async def test_the_public_key_is_no_secret_to_sign_with() -> None:
    forged = token_of_parts({"alg": "HS256", "typ": "JWT"}, public_pem().encode())

    with pytest.raises(AuthenticationError, match="not signed with RS256"):
        await authenticator(rs256_settings()).principal(request(bearer=forged))


async def test_an_rs256_token_is_nothing_to_a_secret() -> None:
    with pytest.raises(AuthenticationError, match="not signed with HS256"):
        await authenticator(jwt_settings()).principal(request(bearer=token(rsa_key())))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "PS256", "RS512", "ES256"])
async def test_other_algorithms_are_refused(algorithm: str) -> None:
    forged = token_of_parts({"alg": algorithm, "typ": "JWT"}, SECRET.encode())

    with pytest.raises(AuthenticationError):
        await authenticator(jwt_settings()).principal(request(bearer=forged))


async def test_a_token_signed_with_another_key_lets_nobody_in() -> None:
    with pytest.raises(AuthenticationError, match="signature does not hold"):
        await authenticator(rs256_settings()).principal(request(bearer=token(other_rsa_key())))
    with pytest.raises(AuthenticationError, match="signature does not hold"):
        await authenticator(jwt_settings()).principal(
            request(bearer=token("another secret of more than thirty-two bytes"))
        )


async def test_a_token_whose_claims_were_exchanged_lets_nobody_in() -> None:
    header, _, signature = token(sub="ada").split(".")
    claims_of_bob = token(sub="bob").split(".")[1]

    with pytest.raises(AuthenticationError, match="signature does not hold"):
        await authenticator(jwt_settings()).principal(
            request(bearer=f"{header}.{claims_of_bob}.{signature}")
        )


async def test_a_token_ends_when_it_expires_although_it_was_seen_before() -> None:
    clock = FakeClock()
    remembering = authenticator(jwt_settings(), clock)
    asking = request(bearer=token(exp=int(instant(60).timestamp())))
    assert await remembering.principal(asking) == Principal("ada")

    clock.advance(59)

    assert await remembering.principal(asking) == Principal("ada")

    clock.advance(1)

    with pytest.raises(AuthenticationError, match="has expired"):
        await remembering.principal(asking)


async def test_a_token_begins_to_hold_when_it_says() -> None:
    clock = FakeClock()
    checking = authenticator(jwt_settings(), clock)
    asking = request(bearer=token(nbf=int(instant(60).timestamp())))
    with pytest.raises(AuthenticationError, match="not valid yet"):
        await checking.principal(asking)

    clock.advance(60)

    assert await checking.principal(asking) == Principal("ada")
