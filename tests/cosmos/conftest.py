"""An account on loopback for each test, and its key where commands look for it."""

from collections.abc import Iterator

import pytest

from tests.cosmos.server import KEY, CosmosServer, running


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[CosmosServer]:
    monkeypatch.setenv("CHATFOLD_COSMOS_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The client would wait between its tries to open an account.
    monkeypatch.setenv("AZURE_COSMOS_HEALTH_CHECK_RETRY_AFTER_MS", "0")
    with running() as server:
        yield server
