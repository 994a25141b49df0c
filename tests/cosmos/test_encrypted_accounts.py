"""An account is reached by TLS, and its certificate must be right where nothing else is said."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import SourceError
from app.store.memory import MemoryStore
from tests.cosmos.server import CosmosServer, running
from tests.migrations.sources import document, fold, verified

# Of a server on this machine the client itself takes any certificate, whatever it is told.
HOST = "account.documents.azure.com"


@pytest.fixture
def encrypted(
    account: CosmosServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CosmosServer]:
    """Like the other account, with a name, and a certificate that nobody has signed."""
    resolve = socket.getaddrinfo

    def resolved(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == HOST else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    monkeypatch.setenv("NO_PROXY", HOST)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "emulator.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with running(context) as server:
        server.containers = account.containers
        yield server


async def test_a_certificate_that_nobody_has_signed_is_refused(encrypted: CosmosServer) -> None:
    url = f"cosmos://{HOST}:{encrypted.server_port}/chat/messages"

    with pytest.raises(SourceError, match=r"certificate of the server of .* cannot be trusted"):
        await fold(url, MemoryStore())

    assert encrypted.requests == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_an_emulators_certificate_is_taken_where_that_is_said(
    encrypted: CosmosServer,
) -> None:
    encrypted.container.put([document()])
    url = f"cosmos://{HOST}:{encrypted.server_port}/chat/messages?tlsAllowInvalidCertificates=true"
    store = MemoryStore()

    await fold(url, store)

    assert (await verified(url, store)).sessions_equal == 1
