"""Law 10 on a database: each way it can fail has a name, in time, and none looks like absence."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import pytest

from app.domain.identity import Version
from app.domain.ledger import LedgerEntry
from app.errors import (
    ConfigurationError,
    CorruptDocumentError,
    StoreAuthenticationError,
    StoreBusyError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from app.main import create_app
from app.store.mongo.store import MongoStore
from tests.factories import ADA, KEY, make_message, make_messages, make_new_session
from tests.fake_clock import START, FakeClock
from tests.laws.conftest import SETTINGS, client_of
from tests.laws.test_law_10_a_failing_store_says_so import ALL, ask
from tests.mongo.wire.conftest import TIMEOUT_SECONDS, open_on
from tests.mongo.wire.server import (
    Failure,
    WireServer,
    hangs_up_after,
    hangs_up_before,
    never_answers,
    refusal,
    unconfirmed,
)

PATIENCE_SECONDS = 20 * TIMEOUT_SECONDS
"""By far more than a request may take, on however slow a machine, and by far less than for ever."""
THROTTLED = refusal(16500, "Error=16500, RetryAfterMs=2500, Details='the secret of ada'")


class Case(NamedTuple):
    failure: Failure
    error: type[StoreUnavailableError]
    sentence: str
    retry_after: str = "1"
    is_waited_for: bool = False
    """Whether the driver looks for a server that works until the time is used up."""

    @property
    def timeout_seconds(self) -> float:
        return TIMEOUT_SECONDS if self.is_waited_for else 10

    @property
    def codes(self) -> set[str]:
        """What a problem may say; the time can be used up in one place or another."""
        lost = {"store_unavailable", "store_busy"} if self.is_waited_for else set[str]()
        return {self.error.code} | lost


def waited_for(failure: Failure, error: type[StoreUnavailableError], sentence: str) -> Case:
    return Case(failure, error, sentence, is_waited_for=True)


STEPPED_DOWN = "The primary of the database has stepped down."
BROKE = "The connection to the database broke."
IN_TIME = "The database did not answer in time."
CREDENTIALS = "The database refuses the credentials, or they do not allow this."
USED_UP = "The database's request units are used up for now."
CASES = {
    "shut down": waited_for(refusal(91), StoreUnavailableError, STEPPED_DOWN),
    "stepped down": waited_for(refusal(189), StoreUnavailableError, STEPPED_DOWN),
    "not primary": waited_for(refusal(10107), StoreUnavailableError, STEPPED_DOWN),
    "recovering": waited_for(refusal(13436), StoreUnavailableError, STEPPED_DOWN),
    "silent": waited_for(never_answers, StoreBusyError, IN_TIME),
    "hangs up": waited_for(hangs_up_before, StoreUnavailableError, BROKE),
    "hangs up after it": waited_for(hangs_up_after, StoreUnavailableError, BROKE),
    "not allowed": Case(refusal(13), StoreAuthenticationError, CREDENTIALS),
    "not authenticated": Case(refusal(18), StoreAuthenticationError, CREDENTIALS),
    "read-only": Case(refusal(20), StoreReadOnlyError, "The database cannot be written."),
    "full": Case(refusal(14031), StoreFullError, "The disk of the database has no room left."),
    "throttled": Case(THROTTLED, StoreBusyError, USED_UP, retry_after="3"),
    "out of time": Case(refusal(50), StoreBusyError, IN_TIME),
    "of another kind": Case(
        refusal(8000, "the secret of ada"),
        StoreUnavailableError,
        "The database cannot be used: OperationFailure 8000.",
    ),
}
EACH_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@EACH_CASE
async def test_each_failure_has_its_name(wire: WireServer, case: Case) -> None:
    store = await open_on(wire.url, timeout_seconds=case.timeout_seconds)
    wire.failures["*"] = case.failure

    with pytest.raises(StoreUnavailableError) as failed:
        await store.check()
    await store.aclose()

    assert type(failed.value) is case.error
    assert str(failed.value) == case.sentence


@EACH_CASE
async def test_every_operation_says_so_in_time(wire: WireServer, case: Case) -> None:
    store = await open_on(wire.url, timeout_seconds=case.timeout_seconds)
    await store.insert(make_new_session(messages=make_messages(3)))
    app = create_app(SETTINGS, store, FakeClock())
    async with client_of(app, ADA) as client:
        wire.failures["*"] = case.failure
        began_at_seconds = time.monotonic()
        answers = dict(
            zip(ALL, await asyncio.gather(*(ask(client, one) for one in ALL.values())), strict=True)
        )
        took_seconds = time.monotonic() - began_at_seconds
        health = await client.get("/healthz")
    await store.aclose()

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(ALL, 503)
    assert {answer.json()["code"] for answer in answers.values()} <= case.codes
    assert {answer.headers["content-type"] for answer in answers.values()} == {
        "application/problem+json"
    }
    assert {answer.headers["retry-after"] for answer in answers.values()} == {case.retry_after}
    assert [name for name, answer in answers.items() if "secret" in answer.text] == []
    assert health.status_code == 200
    assert took_seconds < PATIENCE_SECONDS


@EACH_CASE
async def test_what_has_failed_works_again_when_the_database_does(
    wire: WireServer, case: Case
) -> None:
    store = await open_on(wire.url, timeout_seconds=2)
    await store.insert(make_new_session(messages=make_messages(2)))
    wire.fail_once("*", case.failure)

    with suppress(StoreUnavailableError):  # what can be asked again, the driver asks again
        await store.read(KEY)
    read_later = await store.read(KEY)

    assert [message.id for message in read_later.messages()] == ["m0", "m1"]
    await store.aclose()


async def test_text_that_is_not_text_is_a_damaged_document(
    wire: WireServer, patient_store: MongoStore
) -> None:
    other = KEY._replace(session_id="other")
    await patient_store.insert(make_new_session(messages=[make_message(content="QQQQ")]))
    await patient_store.insert(make_new_session(other, messages=make_messages(2)))
    wire.garbled[b"QQQQ"] = b"\xff\xfe\xfd\xfc"

    with pytest.raises(CorruptDocumentError):
        await patient_store.read(KEY)

    assert len((await patient_store.read(other)).messages()) == 2
    assert len((await patient_store.list_summaries(ADA)).items) == 2


# --- writes that may have happened --------------------------------------------------------------


@pytest.mark.parametrize("code", [64, 91, 100])
async def test_a_write_that_too_few_servers_confirmed_is_not_acknowledged(
    wire: WireServer, patient_store: MongoStore, code: int
) -> None:
    await patient_store.insert(make_new_session())
    wire.failures["findAndModify"] = unconfirmed(code)

    with pytest.raises(StoreUnavailableError) as failed:
        await patient_store.append(KEY, [make_message("m0")], at=START)
    wire.failures.clear()
    retried = await patient_store.append(KEY, [make_message("m0")], at=START)

    assert str(failed.value) == "Too few servers of the database confirmed a write."
    assert retried.version.revision == 2
    assert len((await patient_store.read(KEY)).messages()) == 1


@pytest.mark.parametrize("is_id_fresh", [False, True])
@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_an_append_whose_answer_was_lost_is_there_once_or_refused(
    wire: WireServer, patient_store: MongoStore, failure: Failure, is_id_fresh: bool
) -> None:
    await patient_store.insert(make_new_session())
    message = make_message("m0", is_id_fresh=is_id_fresh)
    wire.fail_once("findAndModify", failure)

    if is_id_fresh and failure is hangs_up_before:
        # It might still be on its way, and nothing would keep it from coming twice.
        with pytest.raises(StoreUnavailableError):
            await patient_store.append(KEY, [message], at=START)
    else:
        appended = await patient_store.append(KEY, [message], at=START)
        assert appended.version.revision == 2
        assert appended.messages_json[0].startswith(b'{"seq":0,"id":"m0"')

    stored = (await patient_store.read(KEY)).messages()
    assert len(stored) == (0 if is_id_fresh and failure is hangs_up_before else 1)


@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_a_creation_whose_answer_was_lost_has_happened_once(
    wire: WireServer, patient_store: MongoStore, failure: Failure
) -> None:
    new = make_new_session(messages=make_messages(2))
    wire.fail_once("insert", failure)

    header = await patient_store.insert(new)

    assert header.generation == new.generation
    assert (await patient_store.read(KEY)).version.generation == new.generation
    assert await patient_store.list_keys() == [KEY]


@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_a_deletion_whose_answer_was_lost_has_happened(
    wire: WireServer, patient_store: MongoStore, failure: Failure
) -> None:
    await patient_store.insert(make_new_session())
    wire.fail_once("update", failure)

    await patient_store.delete(KEY, START)

    assert await patient_store.find_version(KEY) is None
    assert await patient_store.find_deleted([KEY]) == {KEY}


@pytest.mark.parametrize("count", [1, 60])
@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_what_was_taken_back_while_the_answer_was_lost_is_gone_without_a_mark(
    wire: WireServer, patient_store: MongoStore, failure: Failure, count: int
) -> None:
    new = make_new_session(messages=make_messages(count))
    await patient_store.insert(new)
    wire.fail_once("delete", failure)

    is_taken_back = await patient_store.take_back(KEY, Version(new.generation, 1))

    assert is_taken_back
    assert await patient_store.find_version(KEY) is None
    assert await patient_store.find_deleted([KEY]) == set()


@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_what_was_put_back_while_the_answer_was_lost_is_there(
    wire: WireServer, patient_store: MongoStore, failure: Failure
) -> None:
    await patient_store.insert(make_new_session(messages=make_messages(3)))
    header = (await patient_store.read(KEY)).header()
    appended = await patient_store.append(KEY, make_messages(3, first=3), at=START)
    earlier = (await patient_store.read_image(KEY)).before(header, generation="before")
    wire.fail_once("update", failure)

    is_taken_back = await patient_store.take_back(KEY, appended.version, earlier)

    assert is_taken_back
    assert (await patient_store.read_image(KEY)).digest() == earlier.digest()


@pytest.mark.parametrize("revision", [1, 2])
@pytest.mark.parametrize("failure", [hangs_up_after, hangs_up_before], ids=["done", "not done"])
async def test_a_ledger_entry_whose_answer_was_lost_is_stored(
    wire: WireServer, patient_store: MongoStore, failure: Failure, revision: int
) -> None:
    entry = LedgerEntry("run", 0, revision, b"{}", {})
    if revision == 2:
        await patient_store.put_ledger_entry(replace(entry, revision=1, body=b"before"))
    wire.fail_once("insert" if revision == 1 else "update", failure)

    is_stored = await patient_store.put_ledger_entry(entry)

    assert is_stored
    assert await patient_store.list_ledger_runs() == [entry]


# --- opening ------------------------------------------------------------------------------------


@EACH_CASE
async def test_a_start_fails_by_the_same_names_and_in_time(wire: WireServer, case: Case) -> None:
    wire.failures["*"] = case.failure
    began_at_seconds = time.monotonic()

    with pytest.raises(StoreUnavailableError) as failed:
        await open_on(wire.url, timeout_seconds=case.timeout_seconds)

    assert failed.value.code in case.codes
    assert time.monotonic() - began_at_seconds < PATIENCE_SECONDS


async def test_a_server_that_is_not_there_is_named(wire: WireServer) -> None:
    await wire.stop()

    with pytest.raises(StoreUnavailableError) as failed:
        await open_on(wire.url)

    assert str(failed.value) == "No server of the database can be reached."


async def test_a_server_that_goes_away_is_named_by_every_operation(
    wire: WireServer, wired_store: MongoStore
) -> None:
    await wired_store.insert(make_new_session(messages=make_messages(3)))
    app = create_app(SETTINGS, wired_store, FakeClock())
    async with client_of(app, ADA) as client:
        await wire.stop()
        answers = await asyncio.gather(*(ask(client, operation) for operation in ALL.values()))

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}


async def test_a_server_that_does_not_greet_is_named_in_time(wire: WireServer) -> None:
    wire.failures["ismaster"] = wire.failures["hello"] = never_answers
    began_at_seconds = time.monotonic()

    with pytest.raises(StoreUnavailableError):
        await open_on(wire.url)

    assert time.monotonic() - began_at_seconds < PATIENCE_SECONDS


async def test_a_server_of_another_time_is_named(wire: WireServer) -> None:
    wire.greeting["maxWireVersion"] = 5

    with pytest.raises(StoreUnavailableError) as failed:
        await open_on(wire.url)

    assert str(failed.value) == "The database is too old or too new for this service."


async def test_a_password_that_is_wrong_is_named_and_not_shown(
    wire: WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    wire.failures["saslStart"] = refusal(18, "Authentication failed.")

    with pytest.raises(StoreAuthenticationError) as failed:
        await open_on(wire.url.replace("//", "//ada:s3cret@"))

    assert str(failed.value) == CREDENTIALS
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb://ada:s3cret@",
        "mongodb://ada:s3cret@host:port/chatfold",
        "mongodb://ada:s3cret@host:99999/chatfold",
        "mongodb://ada:s3cret/@host/chatfold",
        "mongodb://ada:s3c:ret@host/chatfold",
        "mongodb://ada:s3cret@host/chat fold",
        "mongodb://ada:s3cret@host/chatfold?authMechanism=NONE-OF-THEM",
        "mongodb://ada:s3cret@host/chatfold?tls=true&ssl=false",
        "mongodb://ada:s3cret@host/chatfold?w=-1",
        "mongodb://ada:s3cret@host/chatfold?maxPoolSise=20",
        "mongodb+srv://ada:s3cret@host:27017/chatfold",
        "mongodb+srv://ada:s3cret@127.0.0.1/chatfold",
    ],
)
async def test_a_wrong_url_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await open_on(url)

    assert str(refused.value).startswith("The store's mongodb: URL cannot be used: ")
    assert "s3c" not in f"{refused.value} {refused.value.__cause__}"


async def test_where_all_connections_are_in_use_nobody_waits_for_ever(wire: WireServer) -> None:
    store = await open_on(f"{wire.url}?maxPoolSize=1&waitQueueTimeoutMS=50")
    await store.insert(make_new_session())
    wire.failures["find"] = never_answers
    began_at_seconds = time.monotonic()

    outcomes = await asyncio.gather(
        *(store.read(KEY) for _ in range(5)), store.check(), return_exceptions=True
    )

    assert {type(outcome) for outcome in outcomes} == {StoreBusyError}
    assert time.monotonic() - began_at_seconds < PATIENCE_SECONDS
    wire.failures.clear()
    await store.aclose()
