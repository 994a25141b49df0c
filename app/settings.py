"""Settings: frozen, typed, read from the environment once; an empty environment means SQLite."""

import ipaddress
import logging
import os
import re
import sys
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import ConfigurationError

PREFIX = "CHATFOLD_"
KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
SECRET_MINIMUM_BYTES = 32
"""RFC 7518 §3.2: a key for HS256 has at least as many bits as the hash."""
RSA_MINIMUM_BITS = 2048
"""RFC 7518 §3.3."""
_NEXT_SOURCE = re.compile(r",(?=\s*[a-z][a-z-]*=)")
_NEXT_PLACE = re.compile(r",(?=\s*(?:$|/|mongodb(?:\+srv)?://|cosmos://))")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_CLAIM = re.compile(r"[^=]+=.+")
_DATABASE_URL = re.compile(
    r"(mongodb(\+srv)?://[^/]+/[^/?]+|cosmos://[^/@]+/[^/?]+(/[^/?]+)?)(\?.*)?"
)

_log = logging.getLogger(__name__)


class AuthMode(StrEnum):
    """Where the user of a request comes from."""

    OPEN = "open"
    JWT = "jwt"
    API_KEY = "api_key"


def default_store(platform: str, environment: Mapping[str, str], home: Path) -> str:
    """The URL of a database file under the user's data directory."""
    data = home / ".local" / "share"
    if platform == "darwin":
        data = home / "Library" / "Application Support"
    elif Path(environment.get("XDG_DATA_HOME", "")).is_absolute():
        data = Path(environment["XDG_DATA_HOME"])  # its own specification ignores relative paths
    return "sqlite:///" + quote(str(data / "chatfold" / "chatfold.db"))


def _default_store_here() -> str:
    try:
        home = Path.home()
    except RuntimeError:
        raise ConfigurationError(
            "CHATFOLD_STORE must be set here: this user has no home directory for a default."
        ) from None
    return default_store(sys.platform, os.environ, home)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split_at_commas(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _split_before_formats(value: Any) -> Any:
    if isinstance(value, str):  # URLs of MongoDB may hold commas themselves
        return [part.strip() for part in _NEXT_SOURCE.split(value) if part.strip()]
    return value


def _split_before_places(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in _NEXT_PLACE.split(value) if part.strip()]
    return value


def _lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _midnight_of_a_date(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return value  # a date with a time, or nonsense that the type then refuses
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def _checked_host(value: str) -> str:
    if not value.strip() or "/" in value or any(character.isspace() for character in value):
        raise ValueError("must be a host name or an address")
    return value


def _checked_hash(value: str) -> str:
    if not _SHA256_HEX.fullmatch(value):
        raise ValueError("must list SHA-256 hashes of 64 lower-case hexadecimal digits each")
    return value


def _checked_claim(value: str) -> str:
    if not _CLAIM.fullmatch(value):
        raise ValueError("must be a claim and its value, such as role=admin")
    return value


def _checked_source(value: str) -> str:
    if not Path(value).is_absolute() and not _DATABASE_URL.fullmatch(value):
        raise ValueError("must list absolute folders and URLs such as mongodb://host/database")
    return value


def _checked_account_key(value: SecretStr) -> SecretStr:
    try:
        b64decode(value.get_secret_value(), validate=True)
    except ValueError:
        raise ValueError("must be a key as its account shows it, in base64") from None
    return value


def _checked_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < SECRET_MINIMUM_BYTES:
        raise ValueError(f"must have at least {SECRET_MINIMUM_BYTES} bytes")
    return value


def _checked_public_key(value: str) -> str:
    pem = value.replace("\\n", "\n")  # files of environment variables cannot carry line breaks
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("must be a public key in PEM form") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < RSA_MINIMUM_BITS:
        raise ValueError(f"must be an RSA key of at least {RSA_MINIMUM_BITS} bits")
    return pem


def _checked_web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http or https URL")
    return value


def _checked_api_base(value: str) -> str:
    _checked_web_address(value)
    parts = urlsplit(value)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL without a user, a query or a fragment")
    return value.rstrip("/")


def _checked_api_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("must be visible ASCII characters")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 in UTC") from None


Day = Annotated[AwareDatetime, BeforeValidator(_midnight_of_a_date), AfterValidator(_in_utc)]
"""An instant in UTC; a bare date is its midnight."""


class StoreSettings(BaseSettings):
    """Where sessions are kept, and how: all that commands on stores need.

    Every field is the variable `CHATFOLD_<NAME>`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # compose files pass what is not set as empty
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    store: str = Field(default_factory=_default_store_here)
    segment_bytes: int = Field(default=256 * KIBIBYTE, ge=2 * KIBIBYTE, le=4 * MEBIBYTE)
    """How large a session may grow in one document of MongoDB."""
    cosmos_key: Annotated[SecretStr, AfterValidator(_checked_account_key)] | None = None
    """Of the account of Azure Cosmos DB that a source is in."""

    @classmethod
    def read(cls, **overrides: Any) -> Self:
        """The environment's settings, with `overrides` going before it.

        Raises:
            ConfigurationError: a setting is wrong; the sentence names it and keeps its value back.
        """
        known = {PREFIX + name.upper() for name in Settings.model_fields}
        for name in sorted(os.environ):
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                _log.warning("%s is not a setting of Chatfold and does nothing.", name)
        try:
            return cls(**overrides)
        except ValidationError as error:
            # Not chained: the finding may carry the value, and the value may be a secret.
            raise ConfigurationError(_sentence(error)) from None


class Settings(StoreSettings):
    """What an operator decides for the service; fields are variables as those of the store are."""

    host: Annotated[str, AfterValidator(_checked_host)] = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free port."""
    workers: int = Field(default=1, ge=1, le=256)

    auth: AuthMode = AuthMode.OPEN
    allow_open: bool = False
    """Lets `open` listen beyond loopback, where anyone may be anyone."""
    jwt_secret: Annotated[SecretStr, AfterValidator(_checked_secret)] | None = None
    """HS256."""
    jwt_public_key: Annotated[str, AfterValidator(_checked_public_key)] | None = None
    """RS256, as PEM text."""
    jwt_jwks_url: Annotated[str, AfterValidator(_checked_web_address)] | None = None
    """RS256, with keys fetched and refreshed from here."""
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    api_key_hashes: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_hash)], ...],
        NoDecode,
        BeforeValidator(_split_at_commas),
    ] = ()
    """SHA-256 of each key that backends may use."""

    admin_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_hash)], ...],
        NoDecode,
        BeforeValidator(_split_at_commas),
    ] = ()
    """SHA-256 of each key that operators may use."""
    admin_claim: Annotated[str, AfterValidator(_checked_claim)] | None = None
    """With `jwt`: what tokens of operators claim, as `name=value`."""
    admin_sources: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_source)], ...],
        NoDecode,
        BeforeValidator(_split_before_places),
    ] = ()
    """Folders and databases whose sources may be named over HTTP; a URL may hold a password."""

    legacy_deprecated_at: Day = datetime(2026, 11, 20, tzinfo=UTC)
    legacy_sunset: Day = datetime(2027, 6, 30, tzinfo=UTC)
    """From this instant on the legacy door answers 410."""
    flat_deprecated_at: Day = datetime(2026, 11, 20, tzinfo=UTC)
    flat_sunset: Day = datetime(2027, 6, 30, tzinfo=UTC)
    """From this instant on the flat addresses of sessions in projects answer 410."""
    sessions_deprecated_at: Day = datetime(2026, 11, 20, tzinfo=UTC)
    sessions_sunset: Day = datetime(2027, 6, 30, tzinfo=UTC)
    """From this instant on the session routes of `/api/v1` answer 410."""

    legacy_sources: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_split_before_formats)
    ] = ()
    """Sources that are still in use, each as `format=location`; a location may hold a password."""

    assistant_url: Annotated[str, AfterValidator(_checked_api_base)] | None = None
    """The base of an OpenAI-compatible API; without it nobody answers."""
    assistant_model: str | None = None
    assistant_api_key: Annotated[SecretStr, AfterValidator(_checked_api_key)] | None = None
    assistant_prompt_tokens: int = Field(default=8000, ge=100, le=10_000_000)
    """How much of a session, and of what its project has learnt, the assistant is shown."""
    assistant_idle_seconds: float = Field(default=60.0, gt=0, le=3600, allow_inf_nan=False)
    """How long the assistant may be silent."""
    assistant_total_seconds: float = Field(default=600.0, gt=0, le=86_400, allow_inf_nan=False)
    """How long a whole reply may take, its second try included."""
    assistant_replies: int = Field(default=64, ge=1, le=10_000)
    """How many replies a process writes at once."""

    read_cache_bytes: int = Field(default=64 * MEBIBYTE, ge=0)
    body_limit_bytes: int = Field(default=16 * MEBIBYTE, ge=1)
    write_timeout_seconds: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_lower_case)
    ] = "info"
    log_requests: bool = False
    """Every request; without it only those that fail (5xx) or take more than a second."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        self._check_ends()
        if self.workers > 1 and self.store.startswith("memory:"):
            raise ConfigurationError(
                "CHATFOLD_WORKERS must be 1 with the store memory://, "
                "which each worker would have for itself."
            )
        if set(self.admin_keys) & set(self.api_key_hashes):
            raise ConfigurationError(
                "CHATFOLD_ADMIN_KEYS must not list a key of CHATFOLD_API_KEY_HASHES: "
                "an operator's key opens no user's data."
            )
        if self.admin_claim is not None and self.auth is not AuthMode.JWT:
            raise ConfigurationError("CHATFOLD_ADMIN_CLAIM needs CHATFOLD_AUTH=jwt.")
        if self.assistant_url is not None and self.assistant_model is None:
            raise ConfigurationError(
                "CHATFOLD_ASSISTANT_URL needs CHATFOLD_ASSISTANT_MODEL, the model that answers."
            )
        match self.auth:
            case AuthMode.OPEN:
                self._check_open()
            case AuthMode.JWT:
                self._check_jwt()
            case AuthMode.API_KEY:
                if not self.api_key_hashes:
                    raise ConfigurationError(
                        "CHATFOLD_AUTH=api_key needs CHATFOLD_API_KEY_HASHES, "
                        "the SHA-256 of each key in hexadecimal, separated by commas."
                    )
        return self

    def _check_ends(self) -> None:
        for door, deprecated_at, sunset in (
            ("LEGACY", self.legacy_deprecated_at, self.legacy_sunset),
            ("FLAT", self.flat_deprecated_at, self.flat_sunset),
            ("SESSIONS", self.sessions_deprecated_at, self.sessions_sunset),
        ):
            if sunset < deprecated_at:
                raise ConfigurationError(
                    f"CHATFOLD_{door}_SUNSET must not lie before CHATFOLD_{door}_DEPRECATED_AT."
                )

    def _check_open(self) -> None:
        if not is_loopback(self.host) and not self.allow_open:
            raise ConfigurationError(
                f"CHATFOLD_AUTH=open lets anyone be anyone and so does not listen on "
                f"CHATFOLD_HOST={self.host}; choose jwt or api_key, or a loopback host, "
                f"or set CHATFOLD_ALLOW_OPEN=1."
            )

    def _check_jwt(self) -> None:
        sources = [self.jwt_secret, self.jwt_public_key, self.jwt_jwks_url]
        if sum(source is not None for source in sources) != 1:
            raise ConfigurationError(
                "CHATFOLD_AUTH=jwt needs exactly one of CHATFOLD_JWT_SECRET, "
                "CHATFOLD_JWT_PUBLIC_KEY and CHATFOLD_JWT_JWKS_URL."
            )
        if self.jwt_issuer is None or self.jwt_audience is None:
            raise ConfigurationError(
                "CHATFOLD_AUTH=jwt needs CHATFOLD_JWT_ISSUER and CHATFOLD_JWT_AUDIENCE, "
                "so that tokens made for others do not count here."
            )


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = found["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{str(found['loc'][0]).upper()}: {message[:1].lower()}{message[1:]}."
