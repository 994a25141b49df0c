"""Keys that an issuer publishes are fetched, kept, renewed, and missed with a named error."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app.api.auth import Authenticator, Principal
from app.errors import AuthenticationError, KeysUnavailableError
from tests.api.auth.credentials import (
    SECRET,
    authenticator,
    jwk_of,
    jwt_settings,
    other_rsa_key,
    request,
    rsa_key,
    token,
    token_of_parts,
)
from tests.fake_clock import FakeClock, instant


class Issuer:
    """A server on loopback that publishes a document, and counts who asks for it."""

    def __init__(self) -> None:
        self.document: Any = {"keys": [jwk_of(rsa_key(), "first")]}
        self.status = HTTPStatus.OK
        self.request_count = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.request_count += 1
                body = json.dumps(issuer.document).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def checking(issuer: Issuer, clock: FakeClock) -> Authenticator:
    return authenticator(jwt_settings(jwt_jwks_url=issuer.url), clock)


async def test_the_published_key_is_fetched_once(issuer: Issuer, checking: Authenticator) -> None:
    for user_id in ("ada", "bob"):
        asking = request(bearer=token(rsa_key(), key_id="first", sub=user_id))
        assert await checking.principal(asking) == Principal(user_id)

    assert issuer.request_count == 1


@pytest.mark.parametrize("key_id", ["second", None])
async def test_a_key_that_is_not_published_lets_nobody_in(
    checking: Authenticator, key_id: str | None
) -> None:
    with pytest.raises(AuthenticationError):
        await checking.principal(request(bearer=token(rsa_key(), key_id=key_id)))


async def test_unknown_keys_do_not_make_us_ask_each_time(
    issuer: Issuer, checking: Authenticator
) -> None:
    for number in range(5):
        with pytest.raises(AuthenticationError):
            await checking.principal(request(bearer=token(rsa_key(), key_id=f"forged-{number}")))

    assert issuer.request_count == 1


async def test_another_key_under_a_published_name_lets_nobody_in(checking: Authenticator) -> None:
    with pytest.raises(AuthenticationError, match="signature does not hold"):
        await checking.principal(request(bearer=token(other_rsa_key(), key_id="first")))


async def test_a_token_of_another_algorithm_makes_us_fetch_nothing(
    issuer: Issuer, checking: Authenticator
) -> None:
    forged = token_of_parts({"alg": "HS256", "kid": "first"}, SECRET.encode())

    with pytest.raises(AuthenticationError, match="not signed with RS256"):
        await checking.principal(request(bearer=forged))

    assert issuer.request_count == 0


async def test_a_published_secret_is_no_key_here(issuer: Issuer, checking: Authenticator) -> None:
    issuer.document = {
        "keys": [
            {"kty": "oct", "kid": "first", "alg": "HS256", "k": "c2VjcmV0" * 8},
            jwk_of(rsa_key(), "second"),
        ]
    }
    forged = token_of_parts({"alg": "RS256", "kid": "first"}, b"secret" * 8)

    with pytest.raises(AuthenticationError, match="names no key of its issuer"):
        await checking.principal(request(bearer=forged))


@pytest.mark.parametrize("document", [[], {}, {"keys": []}, {"keys": "none"}, {"keys": [{}]}, None])
async def test_a_document_without_keys_is_an_outage(
    issuer: Issuer, checking: Authenticator, document: Any
) -> None:
    issuer.document = document

    with pytest.raises(KeysUnavailableError):
        await checking.principal(request(bearer=token(rsa_key(), key_id="first")))


async def test_an_issuer_that_fails_is_an_outage_that_ends(
    issuer: Issuer, checking: Authenticator, clock: FakeClock
) -> None:
    issuer.status = HTTPStatus.INTERNAL_SERVER_ERROR
    asking = request(bearer=token(rsa_key(), key_id="first"))
    with pytest.raises(KeysUnavailableError):
        await checking.principal(asking)
    issuer.status = HTTPStatus.OK

    with pytest.raises(KeysUnavailableError):
        await checking.principal(asking)

    assert issuer.request_count == 1  # a failing issuer is given a rest

    clock.advance(2)

    assert await checking.principal(asking) == Principal("ada")


async def test_an_issuer_that_is_away_is_an_outage(issuer: Issuer, clock: FakeClock) -> None:
    issuer.close()
    checking = authenticator(jwt_settings(jwt_jwks_url=issuer.url), clock)

    with pytest.raises(KeysUnavailableError):
        await checking.principal(request(bearer=token(rsa_key(), key_id="first")))


async def test_tokens_seen_before_outlive_an_outage(
    issuer: Issuer, checking: Authenticator, clock: FakeClock
) -> None:
    asking = request(bearer=token(rsa_key(), key_id="first", exp=int(instant(3600).timestamp())))
    assert await checking.principal(asking) == Principal("ada")

    issuer.status = HTTPStatus.SERVICE_UNAVAILABLE
    clock.advance(200)

    assert await checking.principal(asking) == Principal("ada")
