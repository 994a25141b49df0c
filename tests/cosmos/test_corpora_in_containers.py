"""Real messages in a container: every session has the hash of its manifest."""

import gzip
import json
from itertools import groupby, islice
from operator import itemgetter

import pytest

from app.store.memory import MemoryStore
from tests.cosmos.server import CosmosServer
from tests.migrations.corpora import (
    hashes_of,
    needs_corpora,
    session_hash,
    source_of,
    stored_sessions,
)
from tests.migrations.sources import fold, verified

pytestmark = needs_corpora

SOME = {"dialogs.messages": 300, "ubuntu-irc.messages": 5}
"""So many sessions of each."""


@pytest.mark.parametrize("name", list(SOME))
async def test_a_corpus_has_the_hashes_of_its_manifest(account: CosmosServer, name: str) -> None:
    with gzip.open(source_of(name)) as lines:
        by_session = groupby(map(json.loads, lines), key=itemgetter("session_id"))
        documents = [one for _, some in islice(by_session, SOME[name]) for one in some]
    account.container.put(documents)
    store = MemoryStore()

    await fold(account.url, store)

    sessions = await stored_sessions(store)
    hashes = {key: session_hash(messages) for key, messages in sessions.items()}
    assert len(hashes) == SOME[name]
    assert hashes.items() <= hashes_of(name).items()
    proof = await verified(account.url, store)
    assert (proof.differences, proof.sessions_equal) == ({}, SOME[name])
