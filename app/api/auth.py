"""Who is asking: the one place that turns a request's credential into a user.

In every mode a request may name its user by the `user_id` parameter or the `X-User-Id` header.
`open` believes it, `api_key` believes it of a backend that holds a key, and `jwt` only lets it
repeat what the token says.
"""

import hmac
from abc import ABC, abstractmethod
from hashlib import sha256
from typing import Any, NamedTuple

from starlette.requests import Request

from app.api.parameters import query_pairs
from app.api.tokens import TokenVerifier
from app.clock import Clock
from app.domain.identity import checked_id
from app.errors import (
    AuthenticationError,
    Fault,
    InvalidInputError,
    PermissionDeniedError,
    UserRequiredError,
)
from app.settings import AuthMode, Settings


class Principal(NamedTuple):
    """Whose data a request may touch."""

    user_id: str | None
    """None only in `open` mode, where the request names no user."""


class Authenticator(ABC):
    """Builds the principal of each request."""

    security_schemes: dict[str, dict[str, str]]
    """What the OpenAPI document says of it, by name; any one of them lets a request in."""

    @abstractmethod
    async def principal(self, request: Request) -> Principal:
        """Who is asking.

        Raises:
            AuthenticationError: there is no credential, or it does not hold.
            KeysUnavailableError: the credential cannot be checked for now.
            PermissionDeniedError: the request names another user, or two.
            InvalidInputError: the user it names is no id, or is needed and missing.
        """

    @staticmethod
    def agreed_user(principal: Principal, body_user_id: str | None) -> str | None:
        """The user, where a body may name one as well.

        Raises:
            PermissionDeniedError: the body names another user than the request.
        """
        if body_user_id is None or principal.user_id == body_user_id:
            return principal.user_id
        if principal.user_id is None:
            return body_user_id
        raise PermissionDeniedError


class OpenAuthenticator(Authenticator):
    """Believes whoever asks; for development on a machine of one's own."""

    security_schemes: dict[str, dict[str, str]] = {}  # noqa: RUF012 - never changed

    async def principal(self, request: Request) -> Principal:
        """The user that the request names, or nobody."""
        return Principal(_named_user(request))


class TokenAuthenticator(Authenticator):
    """Asks a JSON Web Token (RFC 7519): its `sub` is the user."""

    security_schemes: dict[str, dict[str, str]] = {  # noqa: RUF012 - never changed
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def principal(self, request: Request) -> Principal:
        """The token's subject."""
        token = _bearer(request)
        if token is None:
            raise AuthenticationError("Send a token as Authorization: Bearer.")
        user_id = await self._verifier.subject(token)
        if _named_user(request) not in {None, user_id}:
            raise PermissionDeniedError
        return Principal(user_id)


class KeyAuthenticator(Authenticator):
    """Asks a key that one of our backends holds; the backend says for whom it acts."""

    security_schemes: dict[str, dict[str, str]] = {  # noqa: RUF012 - never changed
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }

    def __init__(self, key_hashes: tuple[str, ...]) -> None:
        self._key_hashes = tuple(bytes.fromhex(one) for one in key_hashes)

    async def principal(self, request: Request) -> Principal:
        """The user that the backend names."""
        key = request.headers.get("x-api-key") or _bearer(request)
        if key is None:
            raise AuthenticationError("Send a key as X-API-Key or as Authorization: Bearer.")
        if not self._is_known(key):
            raise AuthenticationError("The key is not one of ours.")
        user_id = _named_user(request)
        if user_id is None:
            raise UserRequiredError
        return Principal(user_id)

    def _is_known(self, key: str) -> bool:
        offered = sha256(key.encode("latin-1")).digest()  # the bytes of the header as they came
        # All are compared, whichever fits, so that the time taken tells nothing of the list.
        return sum(hmac.compare_digest(offered, known) for known in self._key_hashes) > 0


def authenticator_of(settings: Settings, clock: Clock) -> Authenticator:
    """The authenticator that the settings ask for."""
    match settings.auth:
        case AuthMode.OPEN:
            return OpenAuthenticator()
        case AuthMode.JWT:
            return TokenAuthenticator(TokenVerifier.of(settings, clock))
        case AuthMode.API_KEY:
            return KeyAuthenticator(settings.api_key_hashes)


def document_security(document: dict[str, Any], authenticator: Authenticator) -> None:
    """Write into an OpenAPI document what its `/api/` operations need to be let in.

    The document is written to because FastAPI's security dependencies would do work per request
    that `principal` does anyway.
    """
    schemes = authenticator.security_schemes
    if not schemes:
        return
    document.setdefault("components", {}).setdefault("securitySchemes", {}).update(schemes)
    for path, operations in document["paths"].items():
        if path.startswith("/api/"):
            for operation in operations.values():
                operation["security"] = [{name: []} for name in schemes]


def _bearer(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def _named_user(request: Request) -> str | None:
    """The user that the request names, once or several times alike."""
    names: list[str] = []
    if request.scope["query_string"]:
        names = [
            _checked("user_id", value) for name, value in query_pairs(request) if name == "user_id"
        ]
    names += [
        _checked("X-User-Id", _header_text(value))
        for name, value in request.scope["headers"]
        if name == b"x-user-id"
    ]
    if not names:
        return None
    if any(name != names[0] for name in names):
        raise PermissionDeniedError
    return names[0]


def _header_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidInputError(Fault("X-User-Id", "must be UTF-8")) from None


def _checked(where: str, user_id: str) -> str:
    try:
        return checked_id(user_id)
    except ValueError as error:
        raise InvalidInputError(Fault(where, str(error))) from None
