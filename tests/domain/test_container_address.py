"""The URL of a container says how its account is reached."""

import pytest

from app.domain.container_address import ContainerAddress, is_container


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "cosmos://account.documents.azure.com/chat/messages",
            ("https://account.documents.azure.com/", "chat", "messages", True),
        ),
        (
            "cosmos://localhost:8081/my.chat/old%20messages?tlsAllowInvalidCertificates=true",
            ("https://localhost:8081/", "my.chat", "old messages", False),
        ),
        (
            "cosmos://[::1]:8081/chat/messages?tls=false",
            ("http://[::1]:8081/", "chat", "messages", True),
        ),
        ("cosmos://host/a/b?tls=true", ("https://host/", "a", "b", True)),
    ],
)
def test_a_url_is_an_address(url: str, address: tuple[str, str, str, bool]) -> None:
    assert ContainerAddress.of(url) == address


def test_a_url_tells_a_container_from_a_path() -> None:
    assert is_container("cosmos://host/database/container")
    assert not is_container("cosmos.jsonl")
    assert not is_container("mongodb://host/database.collection")
