"""Real messages in a live collection: every session has the hash of its manifest."""

import os
from itertools import groupby, islice
from operator import itemgetter

import pytest

from app.store.memory import MemoryStore
from tests.migrations.corpora import (
    documents_of,
    hashes_of,
    needs_corpora,
    session_hash,
    stored_sessions,
)
from tests.migrations.live_collections import collection_of
from tests.migrations.sources import fold, verified
from tests.stores import ENGINES

pytestmark = [*needs_corpora, pytest.mark.timeout(1800)]

# Of thousands of documents, mongo-java-server looks through all for every thousand that it sends.
SOME, ALL = {"dialogs.messages": 600, "ubuntu-irc.messages": 9}, 10_000


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("name", list(SOME))
async def test_a_corpus_has_the_hashes_of_its_manifest(engine_name: str, name: str) -> None:
    count = ALL if os.environ.get("SOAK") else SOME[name]
    by_session = groupby(documents_of(name), key=itemgetter("session_id"))
    documents = [one for _, messages in islice(by_session, count) for one in messages]
    store = MemoryStore()

    with collection_of(engine_name, documents) as url:
        await fold(url, store)
        proof = await verified(url, store)

    sessions = await stored_sessions(store)
    hashes = {key: session_hash(messages) for key, messages in sessions.items()}
    assert len(hashes) == min(count, len(hashes_of(name)))
    assert hashes.items() <= hashes_of(name).items()
    assert (proof.differences, proof.sessions_equal) == ({}, len(hashes))
