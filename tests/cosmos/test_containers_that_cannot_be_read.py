"""Each reason why a container cannot be read is a sentence of its own, and nothing is written."""

import base64
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from tests.cosmos.server import KEY, CosmosServer
from tests.migrations.sources import document

REFUSED = "127.0.0.1:1"
"""Nobody listens there."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The file of a store that does not exist."""
    return tmp_path / "chatfold.db"


def complaint(store: Path, source: str, *, name: str = "plan") -> tuple[int, str]:
    """The exit status, and what is said on standard error, in one line."""
    arguments = ["group-messages", name, source, "--store", f"sqlite:///{store}"]
    result = CliRunner().invoke(migrate_app, arguments)
    assert result.stdout == ""
    assert KEY not in result.stderr
    return result.exit_code, " ".join(result.stderr.split())


def test_an_account_that_cannot_be_reached(account: CosmosServer, store: Path) -> None:
    url = account.url.replace(account.host, REFUSED)

    assert complaint(store, url) == (
        3,
        f"The source cannot be read: No server of cosmos://{REFUSED}/chat/messages can be reached.",
    )
    assert not store.exists()


def test_a_key_of_another_account(
    account: CosmosServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = base64.b64encode(b"the key of someone else").decode()
    monkeypatch.setenv("CHATFOLD_COSMOS_KEY", wrong)

    status, said = complaint(store, account.url)

    assert status == 3
    assert said.endswith("refuses the key: CHATFOLD_COSMOS_KEY must be one of this account.")
    assert wrong not in said
    assert not store.exists()


def test_a_firewall(account: CosmosServer, store: Path) -> None:
    account.forbidden = HTTPStatus.FORBIDDEN

    status, said = complaint(store, account.url)

    assert status == 3
    assert "forbids this: its firewall does, or the key does not allow it" in said
    assert not store.exists()


def test_a_database_that_is_not_there(account: CosmosServer, store: Path) -> None:
    url = account.url.replace("/chat/", "/chats/")

    assert complaint(store, url) == (
        3,
        "The source cannot be read: The account has no database chats.",
    )
    assert not store.exists()


def test_a_container_that_is_not_there(account: CosmosServer, store: Path) -> None:
    url = account.url.replace("/messages", "/massages")

    assert complaint(store, url) == (
        3,
        "The source cannot be read: The database chat has no container massages.",
    )
    assert not store.exists()


@pytest.mark.parametrize("name", ["plan", "run", "verify"])
def test_a_container_that_is_always_busy(account: CosmosServer, store: Path, name: str) -> None:
    account.container.put([document()])
    account.throttled = sys.maxsize

    status, said = complaint(store, account.url, name=name)

    assert status == 3
    assert "is asked for more than its request units allow" in said


def test_a_server_in_trouble(account: CosmosServer, store: Path) -> None:
    account.forbidden = HTTPStatus.CONFLICT

    status, said = complaint(store, account.url)

    assert status == 3
    assert said.endswith("cannot answer: status 409.")


def test_no_key(account: CosmosServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATFOLD_COSMOS_KEY")

    status, said = complaint(store, account.url)

    assert status == 2
    assert "CHATFOLD_COSMOS_KEY must have a key of the account" in said
    assert account.requests == []


def test_a_key_that_can_be_none(
    account: CosmosServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATFOLD_COSMOS_KEY", "no base64 at all")

    status, said = complaint(store, account.url)

    assert status == 2
    assert said.endswith("CHATFOLD_COSMOS_KEY: must be a key as its account shows it, in base64.")


def test_no_client(account: CosmosServer, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.formats.cosmos_container", raising=False)
    monkeypatch.setitem(sys.modules, "azure.cosmos", None)

    status, said = complaint(store, account.url)

    assert status == 2
    assert "is not installed: pip install azure-cosmos" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("cosmos://host/chat", "names no container; say cosmos://host/database/container."),
        ("cosmos://host/chat/messages/more", "names no container"),
        ("cosmos:///chat/messages", "names no container"),
        ("cosmos://host:port/chat/messages", "names no container"),
        ("cosmos://host/chat/", "names no container"),
        (f"cosmos://:{KEY}@host/chat/messages", "holds no key; CHATFOLD_COSMOS_KEY has that"),
        ("cosmos://host/chat/messages?tls=maybe", "tls is something else"),
        ("cosmos://host/chat/messages?retries=5", "retries is something else"),
    ],
)
@pytest.mark.usefixtures("account")
def test_a_url_that_names_no_container(store: Path, url: str, said: str) -> None:
    status, complained = complaint(store, url)

    assert status == 2
    assert said in complained
