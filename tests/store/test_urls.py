"""A URL that is shown tells where the store is and no secret."""

import pytest

from app.errors import ConfigurationError
from app.store.factory import open_store
from app.store.urls import shown_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/chat@fold:2/a.db?x", "sqlite:////var/lib/chat@fold:2/a.db?x"),
        ("memory://", "memory://"),
        ("mongodb://localhost:27017/chatfold", "mongodb://localhost:27017/chatfold"),
        ("mongodb://ann:secret@one:1,two:2/db", "mongodb://ann:***@one:1,two:2/db"),
        ("mongodb+srv://ann@cluster/db", "mongodb+srv://ann@cluster/db"),
        ("mongodb://ann:se/c?r@et@one/db", "mongodb://ann:***@one/db"),
        ("mongodb://ann:@one/db?authMechanismProperties=X:secret", "mongodb://ann:***@one/db"),
        ("mongodb:ann:secret@one/db", "mongodb:***@one/db"),
        ("", ""),
    ],
)
def test_passwords_and_options_are_hidden(url: str, shown: str) -> None:
    assert shown_url(url) == shown


async def test_the_error_about_an_unknown_store_holds_no_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        await open_store("mysql://ann:secret@one/db")

    assert "secret" not in str(raised.value)
    assert "mysql://ann:***@one/db" in str(raised.value)
