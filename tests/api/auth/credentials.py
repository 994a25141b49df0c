"""Credentials of tests: keys made on the spot, tokens signed with them, requests with them."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request

from app.api.auth import Authenticator, authenticator_of
from app.settings import Settings
from tests.fake_clock import FakeClock, instant

SECRET = "a secret of more than thirty-two bytes"  # noqa: S105 - of these tests alone
API_KEY = "key-of-the-backend"
ISSUER = "https://issuer.example"
AUDIENCE = "chatfold"


@cache
def rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> str:
    public = rsa_key().public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk_of(key: RSAPrivateKey, key_id: str) -> dict[str, Any]:
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": key_id, "use": "sig", "alg": "RS256"}


def claims(**changed: Any) -> dict[str, Any]:
    """Claims that hold for ten minutes from the start; None leaves one out."""
    all_claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": int(instant(600).timestamp()),
        **changed,
    }
    return {name: value for name, value in all_claims.items() if value is not None}


def token(key: str | RSAPrivateKey = SECRET, *, key_id: str | None = None, **changed: Any) -> str:
    """A token with these claims, signed by HS256 or RS256 as the key asks."""
    header = {"kid": key_id} if key_id else {}
    algorithm = "HS256" if isinstance(key, str) else "RS256"
    header_part = _base64url({"alg": algorithm, "typ": "JWT", **header})
    signed = f"{header_part}.{_base64url(claims(**changed))}"
    return f"{signed}.{_signature(algorithm, signed, key)}"


def token_of_parts(header: dict[str, Any], signature_key: bytes | None, **changed: Any) -> str:
    """A token with any header; signed by HMAC where there is a key, else with no signature."""
    signed = f"{_base64url(header)}.{_base64url(claims(**changed))}"
    if signature_key is None:
        return f"{signed}."
    digest = hmac.digest(signature_key, signed.encode(), "sha256")
    return f"{signed}.{_base64url_bytes(digest)}"


def settings(**changed: Any) -> Settings:
    return Settings.read(store="memory://", **changed)


def jwt_settings(**changed: Any) -> Settings:
    source = {} if changed.keys() & {"jwt_public_key", "jwt_jwks_url"} else {"jwt_secret": SECRET}
    return settings(auth="jwt", jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **source, **changed)


def api_key_settings(*keys: str) -> Settings:
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys or (API_KEY,)]
    return settings(auth="api_key", api_key_hashes=hashes)


def authenticator(of: Settings, clock: FakeClock | None = None) -> Authenticator:
    return authenticator_of(of, clock or FakeClock())


def request(
    *headers: tuple[str, str | bytes], query: str = "", bearer: str | None = None
) -> Request:
    """A request with these headers and this query string."""
    if bearer is not None:
        headers = (*headers, ("authorization", f"Bearer {bearer}"))
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query.encode(),
            "headers": [
                (name.encode(), value if isinstance(value, bytes) else value.encode())
                for name, value in headers
            ],
        }
    )


def _signature(algorithm: str, signed: str, key: str | RSAPrivateKey) -> str:
    # Through the library's algorithms and not its `encode`, which refuses claims that we must try.
    signer = jwt.get_algorithm_by_name(algorithm)
    return _base64url_bytes(signer.sign(signed.encode(), signer.prepare_key(key)))


def _base64url(value: dict[str, Any]) -> str:
    return _base64url_bytes(json.dumps(value).encode())


def _base64url_bytes(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
