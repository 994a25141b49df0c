"""A live collection folds as a dump of it does, all of it or some sessions first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.migrate import migrate_app
from app.domain.source_options import SourceOptions
from app.store.memory import MemoryStore
from migrations.jobs.group_messages import GROUP_MESSAGES
from tests.migrations.forms import typed_documents, write_form
from tests.migrations.live_collections import collection_of
from tests.migrations.sources import fold, verified
from tests.migrations.test_every_form import everything_in
from tests.stores import ENGINES


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(engine_name: str) -> Iterator[str]:
    """Of a collection of the typed documents."""
    with collection_of(engine_name, typed_documents()) as url:
        yield url


async def test_a_collection_folds_as_its_dump_does(url: str, tmp_path: Path) -> None:
    dump, live = MemoryStore(), MemoryStore()
    await fold(write_form(tmp_path, "dump.bson", typed_documents()), dump)

    report = await fold(url, live)

    assert await everything_in(live) == await everything_in(dump)
    assert (report.records.read, report.records.folded) == (60, 60)
    assert report.source == url
    proof = await verified(url, live)
    assert (proof.differences, proof.sessions_equal, proof.records_read) == ({}, 4, 60)


@pytest.mark.parametrize(
    ("options", "read", "sessions"),
    [
        (SourceOptions(user="2"), 15, 1),
        (SourceOptions(session="s3"), 15, 1),
        (SourceOptions(session="s3", user="2"), 0, 0),
        (SourceOptions(limit=7), 7, 4),
        (SourceOptions(limit=7, user="1"), 7, 1),
    ],
    ids=str,
)
async def test_some_sessions_are_folded_and_verified_first(
    url: str, options: SourceOptions, read: int, sessions: int
) -> None:
    store = MemoryStore()
    job = GROUP_MESSAGES.told(options)

    report = await fold(url, store, job=job)

    assert (report.records.read, len(await store.list_keys())) == (read, sessions)
    proof = await verified(url, store, job)
    assert (proof.differences, proof.sessions_equal) == ({}, sessions)


def test_commands_take_the_url_of_a_collection(url: str, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chatfold.db"

    def called(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(
            migrate_app, ["group-messages", *arguments, "--store", store, "--user", "2"]
        )
        return result.exit_code, result.stdout

    for name in ("plan", "run", "verify"):
        status, report = called(name, url)
        assert status == 0, report
        assert url in report
