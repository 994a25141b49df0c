"""Settings: what an empty environment means, and the sentence that each wrong one ends with."""

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import ValidationError

from app.errors import ConfigurationError
from app.settings import AuthMode, Settings, default_store

SECRET = "a secret of more than thirty-two bytes"  # noqa: S105 - of these tests alone
KEY_HASH = hashlib.sha256(b"key").hexdigest()
JWT = {"auth": "jwt", "jwt_issuer": "issuer", "jwt_audience": "audience"}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment in which nothing is set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CHATFOLD_{name.upper()}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path


def test_an_empty_environment_means_sqlite_on_loopback() -> None:
    settings = Settings.read()

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.store.startswith("sqlite:////")
    assert settings.store.endswith("/chatfold/chatfold.db")
    assert settings.auth is AuthMode.OPEN
    assert settings.legacy_sunset == datetime(2027, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "sqlite:////home/ada/.local/share/chatfold/chatfold.db"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "sqlite:////data/chatfold/chatfold.db"),
        (
            "linux",
            {"XDG_DATA_HOME": "data"},
            "sqlite:////home/ada/.local/share/chatfold/chatfold.db",
        ),
        (
            "darwin",
            {"XDG_DATA_HOME": "/data"},
            "sqlite:////home/ada/Library/Application%20Support/chatfold/chatfold.db",
        ),
    ],
)
def test_the_default_store_lies_in_the_users_data_directory(
    platform: str, environment: dict[str, str], expected: str
) -> None:
    url = default_store(platform, environment, Path("/home/ada"))

    assert url == expected


def test_without_a_home_the_store_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)

    with pytest.raises(ConfigurationError, match=r"^CHATFOLD_STORE must be set here"):
        Settings.read()
    assert Settings.read(store="memory://").store == "memory://"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATFOLD_PORT", "9000")
    monkeypatch.setenv("CHATFOLD_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("CHATFOLD_LOG_REQUESTS", "1")
    monkeypatch.setenv("CHATFOLD_HOST", "")

    settings = Settings.read()

    assert settings.port == 9000
    assert settings.log_level == "warning"
    assert settings.log_requests
    assert settings.host == "127.0.0.1"  # an empty variable is none


def test_overrides_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATFOLD_PORT", "9000")

    settings = Settings.read(port=9001)

    assert settings.port == 9001


def test_settings_cannot_be_changed() -> None:
    settings = Settings.read()

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc] # that is what is tested


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_open_listens_on_loopback(host: str) -> None:
    settings = Settings.read(host=host)

    assert settings.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "chat.example"])  # noqa: S104
def test_open_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CHATFOLD_AUTH=open .*CHATFOLD_ALLOW_OPEN=1"):
        Settings.read(host=host)


def test_open_listens_anywhere_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATFOLD_ALLOW_OPEN", "1")

    settings = Settings.read(host="0.0.0.0")  # noqa: S104 - that is what is tested

    assert settings.allow_open


def test_other_modes_listen_anywhere() -> None:
    settings = Settings.read(host="0.0.0.0", jwt_secret=SECRET, **JWT)  # noqa: S104

    assert settings.auth is AuthMode.JWT


@pytest.mark.parametrize("day", ["2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T01:00:00+01:00"])
def test_a_sunset_is_a_date_or_an_instant(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    monkeypatch.setenv("CHATFOLD_LEGACY_SUNSET", day)

    settings = Settings.read()

    assert settings.legacy_sunset == datetime(2027, 1, 31, tzinfo=UTC)


def test_key_hashes_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    monkeypatch.setenv("CHATFOLD_API_KEY_HASHES", f"{KEY_HASH}, {other},")

    settings = Settings.read(auth="api_key")

    assert settings.api_key_hashes == (KEY_HASH, other)


def test_legacy_sources_are_separated_where_the_next_format_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection = "message-documents=mongodb://a:1,b:2/db.messages?readPreferenceTags=dc:x,rack:1"
    monkeypatch.setenv("CHATFOLD_LEGACY_SOURCES", f"{collection}, session-documents=/a,b.json,")

    settings = Settings.read()

    assert settings.legacy_sources == (collection, "session-documents=/a,b.json,")


def test_a_public_key_may_carry_its_line_breaks_escaped() -> None:
    pem = _pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())

    settings = Settings.read(**JWT, jwt_public_key=pem.replace("\n", "\\n"))

    assert settings.jwt_public_key == pem


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"port": "eighty"},
            "CHATFOLD_PORT: input should be a valid integer, unable to parse string as an integer.",
        ),
        ({"port": 65536}, "CHATFOLD_PORT: input should be less than or equal to 65535."),
        ({"host": "http://localhost"}, "CHATFOLD_HOST: must be a host name or an address."),
        ({"auth": "none"}, "CHATFOLD_AUTH: input should be 'open', 'jwt' or 'api_key'."),
        (
            {"log_level": "loud"},
            "CHATFOLD_LOG_LEVEL: input should be 'debug', 'info', 'warning' or 'error'.",
        ),
        (
            {"legacy_sunset": "2027-06-30T12:00:00"},
            "CHATFOLD_LEGACY_SUNSET: input should have timezone info.",
        ),
        (
            {"legacy_sunset": "2026-01-01"},
            "CHATFOLD_LEGACY_SUNSET must not lie before CHATFOLD_LEGACY_DEPRECATED_AT.",
        ),
        (
            {"sessions_sunset": "2026-01-01"},
            "CHATFOLD_SESSIONS_SUNSET must not lie before CHATFOLD_SESSIONS_DEPRECATED_AT.",
        ),
        ({"jwt_secret": "secret"}, "CHATFOLD_JWT_SECRET: must have at least 32 bytes."),
        (
            {"jwt_public_key": "secret"},
            "CHATFOLD_JWT_PUBLIC_KEY: must be a public key in PEM form.",
        ),
        (
            {"jwt_jwks_url": "file:///keys"},
            "CHATFOLD_JWT_JWKS_URL: must be an http or https URL.",
        ),
        (
            {"api_key_hashes": KEY_HASH.upper()},
            (
                "CHATFOLD_API_KEY_HASHES: must list SHA-256 hashes of 64 lower-case hexadecimal "
                "digits each."
            ),
        ),
        (
            {"auth": "api_key"},
            (
                "CHATFOLD_AUTH=api_key needs CHATFOLD_API_KEY_HASHES, the SHA-256 of each key in "
                "hexadecimal, separated by commas."
            ),
        ),
        (
            JWT,
            (
                "CHATFOLD_AUTH=jwt needs exactly one of CHATFOLD_JWT_SECRET, "
                "CHATFOLD_JWT_PUBLIC_KEY and CHATFOLD_JWT_JWKS_URL."
            ),
        ),
        (
            {**JWT, "jwt_secret": SECRET, "jwt_jwks_url": "https://issuer.example/keys"},
            (
                "CHATFOLD_AUTH=jwt needs exactly one of CHATFOLD_JWT_SECRET, "
                "CHATFOLD_JWT_PUBLIC_KEY and CHATFOLD_JWT_JWKS_URL."
            ),
        ),
        (
            {"auth": "jwt", "jwt_secret": SECRET, "jwt_issuer": "issuer"},
            (
                "CHATFOLD_AUTH=jwt needs CHATFOLD_JWT_ISSUER and CHATFOLD_JWT_AUDIENCE, so that "
                "tokens made for others do not count here."
            ),
        ),
        (
            {"store": "memory://", "workers": 2},
            (
                "CHATFOLD_WORKERS must be 1 with the store memory://, which each worker would have "
                "for itself."
            ),
        ),
        (
            {"write_timeout_seconds": 0},
            "CHATFOLD_WRITE_TIMEOUT_SECONDS: input should be greater than 0.",
        ),
    ],
)
def test_a_wrong_setting_ends_with_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.read(**wrong)

    assert str(raised.value) == sentence


def test_weak_and_foreign_public_keys_are_refused() -> None:
    weak_key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is tested
    weak = weak_key.public_key()
    foreign = ec.generate_private_key(ec.SECP256R1()).public_key()

    for key in (weak, foreign):
        with pytest.raises(ConfigurationError, match="must be an RSA key of at least 2048 bits"):
            Settings.read(**JWT, jwt_public_key=_pem_of(key))


def test_a_wrong_secret_is_not_repeated_in_what_is_raised() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.read(jwt_secret="hunter2")  # noqa: S106 - that is what is tested

    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_secret_is_not_shown() -> None:
    settings = Settings.read(**JWT, jwt_secret=SECRET)

    assert SECRET not in repr(settings)


def test_an_unknown_variable_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CHATFOLD_STORES", "memory://")

    with caplog.at_level(logging.WARNING):
        Settings.read()

    assert "CHATFOLD_STORES is not a setting of Chatfold and does nothing." in caplog.messages


def _pem_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_places_of_sources_are_split_where_the_next_one_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "mongodb://user:password@one,two/chat?replicaSet=rs"
    container = "cosmos://account.documents.azure.com/chat/messages"
    places = f"/data/old, {url},/data/older,{container}, cosmos://host/chat?tls=false,"
    monkeypatch.setenv("CHATFOLD_ADMIN_SOURCES", places)

    assert Settings.read().admin_sources == (
        *("/data/old", url, "/data/older", container, "cosmos://host/chat?tls=false"),
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"admin_sources": ["data/old"]}, "CHATFOLD_ADMIN_SOURCES: must list absolute folders"),
        ({"admin_sources": ["mongodb://host"]}, "CHATFOLD_ADMIN_SOURCES: must list absolute"),
        ({"admin_sources": ["cosmos://host"]}, "CHATFOLD_ADMIN_SOURCES: must list absolute"),
        ({"admin_sources": ["cosmos://:key@host/chat"]}, "CHATFOLD_ADMIN_SOURCES: must list"),
        ({"admin_keys": ["plain"]}, "CHATFOLD_ADMIN_KEYS: must list SHA-256 hashes"),
        ({"admin_claim": "admin", **JWT, "jwt_secret": SECRET}, "CHATFOLD_ADMIN_CLAIM: must be"),
        ({"admin_claim": "role=admin"}, "CHATFOLD_ADMIN_CLAIM needs CHATFOLD_AUTH=jwt"),
        (
            {"auth": "api_key", "api_key_hashes": [KEY_HASH], "admin_keys": [KEY_HASH]},
            "CHATFOLD_ADMIN_KEYS must not list a key of CHATFOLD_API_KEY_HASHES",
        ),
    ],
)
def test_wrong_settings_of_operators_are_told(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        Settings.read(**wrong)

    assert str(found.value).startswith(sentence)
    assert "plain" not in str(found.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"assistant_url": "http://127.0.0.1:1/v1"},
            "CHATFOLD_ASSISTANT_URL needs CHATFOLD_ASSISTANT_MODEL, the model that answers.",
        ),
        (
            {"assistant_url": "ftp://host/v1"},
            "CHATFOLD_ASSISTANT_URL: must be an http or https URL.",
        ),
        (
            {"assistant_url": "https://user:word@host/v1"},
            "CHATFOLD_ASSISTANT_URL: must be a URL without a user, a query or a fragment.",
        ),
        (
            {"assistant_api_key": "a secret\nX-Other: 1"},
            "CHATFOLD_ASSISTANT_API_KEY: must be visible ASCII characters.",
        ),
    ],
)
def test_wrong_settings_of_the_assistant_are_told(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(**wrong)

    assert str(caught.value) == sentence


def test_the_key_of_the_assistant_is_not_shown() -> None:
    settings = Settings.read(
        assistant_url="https://host/v1/", assistant_model="m", assistant_api_key="sk-0123"
    )

    assert settings.assistant_url == "https://host/v1"
    assert "sk-0123" not in repr(settings)
