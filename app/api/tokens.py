"""TokenVerifier: checks JSON Web Tokens (RFC 7519), and remembers for a while which ones held."""

import asyncio
import logging
import math
from collections import OrderedDict
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.exceptions import InvalidSubjectError

from app.clock import Clock
from app.domain.identity import checked_id
from app.errors import AuthenticationError, KeysUnavailableError
from app.settings import Settings

MEMORY_LIMIT_TOKENS = 10_000
MEMORY_SECONDS = 300.0
"""How long a token that held is believed unchecked, so that a withdrawn key ends soon."""
FETCH_TIMEOUT_SECONDS = 5.0
FETCH_PAUSE_SECONDS = 2.0
"""How long nobody asks again for keys that could not be fetched."""

_log = logging.getLogger(__name__)

Key = str | RSAPublicKey


class KeySource(Protocol):
    """Knows the keys of one algorithm; the algorithm is never taken from a token."""

    algorithm: str

    async def key_of(self, header: dict[str, Any]) -> Key:
        """The key that must have signed a token with this header.

        Raises:
            AuthenticationError: there is no such key.
            KeysUnavailableError: the keys cannot be fetched for now.
        """
        ...


class SingleKey:
    """One key for all tokens."""

    def __init__(self, algorithm: str, key: Key) -> None:
        self.algorithm = algorithm
        self._key = key

    async def key_of(self, header: dict[str, Any]) -> Key:  # noqa: ARG002 - one key for all
        """That key."""
        return self._key


class PublishedKeys:
    """The RSA keys that an issuer publishes as a JWK Set (RFC 7517)."""

    algorithm = "RS256"

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._client = jwt.PyJWKClient(url, lifespan=MEMORY_SECONDS, timeout=FETCH_TIMEOUT_SECONDS)
        self._one_at_a_time = asyncio.Lock()  # or a slow issuer would take every thread we have
        self._paused_until = 0.0

    async def key_of(self, header: dict[str, Any]) -> Key:
        """The published key with the token's `kid`; the set is fetched where it is not known."""
        key_id = header.get("kid")
        if not isinstance(key_id, str):
            raise AuthenticationError("The token does not name its key (kid).")
        async with self._one_at_a_time:
            if self._clock.now().timestamp() < self._paused_until:
                raise KeysUnavailableError
            try:
                found = await asyncio.to_thread(self._find, key_id)
            except (jwt.PyJWTError, OSError, ValueError) as error:
                _log.warning("The signing keys cannot be fetched: %s", error)
                self._paused_until = self._clock.now().timestamp() + FETCH_PAUSE_SECONDS
                raise KeysUnavailableError from error
        key: object = found and found.key
        if not isinstance(key, RSAPublicKey):
            raise AuthenticationError("The token names no key of its issuer.")
        return key

    def _find(self, key_id: str) -> jwt.PyJWK | None:
        self._client.get_signing_keys()  # raises where the set cannot be had
        try:
            return self._client.get_signing_key(key_id)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWKClientError:
            return None  # the set was there, and the key is not in it


class _Held(NamedTuple):
    user_id: str
    is_operator: bool
    expires_at: float
    forget_at: float


class TokenVerifier:
    """Says whose token it is."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        clock: Clock,
        operator_claim: str | None = None,
    ) -> None:
        self._operator_claim = operator_claim
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        # By the token's hash: what is kept in memory opens no door.
        self._held: OrderedDict[bytes, _Held] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> "TokenVerifier":
        """The verifier for the key source that the settings name."""
        keys: KeySource
        if settings.jwt_secret is not None:
            keys = SingleKey("HS256", settings.jwt_secret.get_secret_value())
        elif settings.jwt_public_key is not None:
            key = load_pem_public_key(settings.jwt_public_key.encode())
            keys = SingleKey("RS256", cast("RSAPublicKey", key))
        else:
            keys = PublishedKeys(str(settings.jwt_jwks_url), clock)
        return cls(
            keys,
            issuer=str(settings.jwt_issuer),
            audience=str(settings.jwt_audience),
            clock=clock,
            operator_claim=settings.admin_claim,
        )

    async def subject(self, token: str) -> str:
        """The user that a token speaks for.

        Raises:
            AuthenticationError: it does not hold.
            KeysUnavailableError: it cannot be checked for now.
        """
        return (await self._hold(token)).user_id

    async def is_operators(self, token: str) -> bool:
        """Whether a token makes the claim of operators; raises as `subject` does."""
        return (await self._hold(token)).is_operator

    async def _hold(self, token: str) -> _Held:
        now = self._clock.now().timestamp()
        fingerprint = sha256(token.encode()).digest()
        held = self._held.get(fingerprint)
        if held is None or held.forget_at <= now:
            held = await self._verified(token, now)
            self._held[fingerprint] = held
            if len(self._held) > MEMORY_LIMIT_TOKENS:
                self._held.popitem(last=False)
        self._held.move_to_end(fingerprint)
        if held.expires_at <= now:
            raise AuthenticationError("The token has expired.")
        return held

    async def _verified(self, token: str, now: float) -> _Held:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != self._keys.algorithm:
                # Before any key is looked for: a forged header must not make us fetch.
                raise AuthenticationError(f"The token is not signed with {self._keys.algorithm}.")
            claims = jwt.decode(
                token,
                await self._keys.key_of(header),
                algorithms=[self._keys.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "sub", "iss", "aud"],
                    # Times are checked below by our clock; `iat` decides nothing (§4.1.6).
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.InvalidTokenError, RecursionError, ValueError) as error:
            # What reads the header raises the last two on garbage that no issuer made.
            raise AuthenticationError(_reason(error)) from None
        expires_at = _instant(claims, "exp")
        if expires_at <= now:
            raise AuthenticationError("The token has expired.")
        if "nbf" in claims and now < _instant(claims, "nbf"):
            raise AuthenticationError("The token is not valid yet.")
        try:
            user_id = checked_id(claims["sub"])
        except ValueError:
            raise AuthenticationError("The token's subject is no user id.") from None
        is_operator = self._operator_claim is not None and _makes(claims, self._operator_claim)
        return _Held(user_id, is_operator, expires_at, min(expires_at, now + MEMORY_SECONDS))


def _makes(claims: dict[str, Any], wanted: str) -> bool:
    """Whether the claim is made; roles and groups are lists, of which the value must be one."""
    name, _, value = wanted.partition("=")
    claimed: object = claims.get(name)
    return claimed == value or (isinstance(claimed, list) and value in claimed)


def _instant(claims: dict[str, Any], name: str) -> float:
    value: float = claims[name]
    # NaN is a number to Python's JSON reader, and would compare as never over.
    is_number = type(value) is int or (type(value) is float and math.isfinite(value))
    if not is_number:
        raise AuthenticationError(f"The token's {name} is not a number.")
    return value


def _reason(error: Exception) -> str:
    match error:
        case jwt.InvalidIssuerError():
            return "The token is from another issuer."
        case jwt.InvalidAudienceError():
            return "The token is for another audience."
        case jwt.MissingRequiredClaimError():
            return f"The token lacks the claim {error.claim}."
        case InvalidSubjectError():
            return "The token's subject is not text."
        case jwt.InvalidSignatureError():
            return "The token's signature does not hold."
        case _:
            return "The token cannot be read."
