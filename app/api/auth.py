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
    AdminDoorClosedError,
    AuthenticationError,
    Fault,
    InvalidInputError,
    OperatorRequiredError,
    PermissionDeniedError,
    UserRequiredError,
)
from app.settings import AuthMode, Settings

ADMIN_PATH = "/api/admin/"

_KEY_SCHEMES = {
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_SEND_A_KEY = "Send a key as X-API-Key or as Authorization: Bearer."
_UNKNOWN_KEY = "The key is not one of ours."


class Principal(NamedTuple):
    """Whose data a request may touch."""

    user_id: str | None
    """None only in `open` mode, where the request names no user."""


class KnownKeys:
    """Keys that let someone in; only their hashes are known here."""

    def __init__(self, hashes: tuple[str, ...]) -> None:
        self._hashes = tuple(bytes.fromhex(one) for one in hashes)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._hashes)

    def know(self, key: str) -> bool:
        """Whether the key is one of them."""
        offered = sha256(key.encode("latin-1")).digest()  # the bytes of the header as they came
        # All are compared, whichever fits, so that the time taken tells nothing of the list.
        return sum(hmac.compare_digest(offered, known) for known in self._hashes) > 0


class Authenticator(ABC):
    """Builds the principal of each request, and tells operators from users."""

    security_schemes: dict[str, dict[str, str]]
    """What the OpenAPI document says of it, by name; any one of them lets a request in."""

    def __init__(self, operator_keys: KnownKeys, *, has_operator_claim: bool = False) -> None:
        self._operator_keys = operator_keys
        self._has_operators = has_operator_claim or bool(operator_keys)

    async def admit_operator(self, request: Request) -> None:
        """Return if an operator asks; whose data a request names is of no matter then.

        Where nobody can be one, the door is not there rather than locked: a 401 would ask for a
        credential that does not exist.

        Raises:
            AdminDoorClosedError: no operator is configured.
            AuthenticationError: there is no credential, or it does not hold.
            KeysUnavailableError: the credential cannot be checked for now.
            OperatorRequiredError: it is a user's.
        """
        if not self._has_operators:
            raise AdminDoorClosedError
        key = _key(request)
        if key is None:
            raise AuthenticationError(_SEND_A_KEY)
        if not self._operator_keys.know(key):
            await self._admit_other_operator(key)

    @abstractmethod
    async def _admit_other_operator(self, credential: str) -> None:
        """Return if a credential that is no operator's key makes an operator all the same."""

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

    async def _admit_other_operator(self, credential: str) -> None:  # noqa: ARG002 - none will do
        raise AuthenticationError(_UNKNOWN_KEY)


class TokenAuthenticator(Authenticator):
    """Asks a JSON Web Token (RFC 7519): its `sub` is the user."""

    security_schemes: dict[str, dict[str, str]] = {  # noqa: RUF012 - never changed
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }

    def __init__(
        self, verifier: TokenVerifier, operator_keys: KnownKeys, *, has_operator_claim: bool
    ) -> None:
        super().__init__(operator_keys, has_operator_claim=has_operator_claim)
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

    async def _admit_other_operator(self, credential: str) -> None:
        if not await self._verifier.is_operators(credential):
            raise OperatorRequiredError


class KeyAuthenticator(Authenticator):
    """Asks a key that one of our backends holds; the backend says for whom it acts."""

    security_schemes: dict[str, dict[str, str]] = _KEY_SCHEMES

    def __init__(self, keys: KnownKeys, operator_keys: KnownKeys) -> None:
        super().__init__(operator_keys)
        self._keys = keys

    async def principal(self, request: Request) -> Principal:
        """The user that the backend names."""
        key = _key(request)
        if key is None:
            raise AuthenticationError(_SEND_A_KEY)
        if not self._keys.know(key):
            raise AuthenticationError(_UNKNOWN_KEY)
        user_id = _named_user(request)
        if user_id is None:
            raise UserRequiredError
        return Principal(user_id)

    async def _admit_other_operator(self, credential: str) -> None:
        if self._keys.know(credential):
            raise OperatorRequiredError
        raise AuthenticationError(_UNKNOWN_KEY)


def authenticator_of(settings: Settings, clock: Clock) -> Authenticator:
    """The authenticator that the settings ask for."""
    operator_keys = KnownKeys(settings.admin_keys)
    match settings.auth:
        case AuthMode.OPEN:
            return OpenAuthenticator(operator_keys)
        case AuthMode.JWT:
            return TokenAuthenticator(
                TokenVerifier.of(settings, clock),
                operator_keys,
                has_operator_claim=settings.admin_claim is not None,
            )
        case AuthMode.API_KEY:
            return KeyAuthenticator(KnownKeys(settings.api_key_hashes), operator_keys)


def document_security(document: dict[str, Any], authenticator: Authenticator) -> None:
    """Write into an OpenAPI document what its `/api/` operations need to be let in.

    The document is written to because FastAPI's security dependencies would do work per request
    that `principal` does anyway.
    """
    for path, operations in document["paths"].items():
        is_for_operators = path.startswith(ADMIN_PATH)
        schemes = _KEY_SCHEMES if is_for_operators else authenticator.security_schemes
        if not path.startswith("/api/") or not schemes:
            continue
        known = document.setdefault("components", {}).setdefault("securitySchemes", {})
        known.update({name: scheme for name, scheme in schemes.items() if name not in known})
        for operation in operations.values():
            operation["security"] = [{name: []} for name in schemes]


def _key(request: Request) -> str | None:
    return request.headers.get("x-api-key") or _bearer(request)


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
