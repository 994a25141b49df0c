"""What a server lacks is found out at start and replaced, with a line in the log."""

import logging
from typing import Any

import pytest

from app.domain.limits import MEBIBYTE
from app.errors import DocumentTooLargeError
from tests.factories import KEY, make_message, make_new_session
from tests.fake_clock import START
from tests.mongo.wire.conftest import open_on
from tests.mongo.wire.server import WireServer, refusal


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "app")
    return caplog


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (20, "Transaction numbers are only allowed on a replica set member or mongos"),
        (301, "Retryable writes are not supported. Please disable retryable writes"),
    ],
)
async def test_writes_are_not_retried_by_drivers_where_the_server_refuses_that(
    wire: WireServer, code: int, message: str, logged: pytest.LogCaptureFixture
) -> None:
    wire.greeting["msg"] = "isdbgrid"  # so that the driver believes it could

    async def refuse_numbers(command: Any, answer: Any) -> Any:
        if "txnNumber" in command:
            return {"ok": 0, "code": code, "errmsg": message}
        return answer(command)

    wire.failures["*"] = refuse_numbers

    store = await open_on(wire.url)
    await store.insert(make_new_session(messages=[make_message()]))
    await store.aclose()

    assert len(wire.data["chatfold"]["sessions"].find_one()["messages"]) == 1
    assert [one for one in logged.messages if "retryable" in one] == [
        "The database has no retryable writes: what became of one is read instead."
    ]


async def test_writes_are_retried_by_drivers_where_the_server_has_that(
    wire: WireServer, logged: pytest.LogCaptureFixture
) -> None:
    wire.greeting["msg"] = "isdbgrid"

    store = await open_on(wire.url)
    await store.insert(make_new_session())
    await store.aclose()

    (inserted,) = [
        command.body for command in wire.commands if command.body.get("insert") == "sessions"
    ]
    assert inserted["txnNumber"] > 0
    assert inserted["writeConcern"] == {"w": "majority", "j": True}
    assert not [one for one in logged.messages if "retryable" in one]


async def test_whole_heads_come_where_a_change_cannot_be_answered_with_a_part(
    wire: WireServer, logged: pytest.LogCaptureFixture
) -> None:
    async def refuse_fields(command: Any, answer: Any) -> Any:
        if "fields" in command:
            return {"ok": 0, "code": 238, "errmsg": "fields"}
        return answer(command)

    wire.failures["findAndModify"] = refuse_fields

    store = await open_on(wire.url)
    await store.insert(make_new_session())
    appended = await store.append(KEY, [make_message()], at=START)
    await store.aclose()

    assert appended.version.revision == 2
    assert "The database cannot answer a change with a part: whole heads come instead." in (
        logged.messages
    )


async def test_who_may_not_create_indexes_is_told_what_to_do(
    wire: WireServer, logged: pytest.LogCaptureFixture
) -> None:
    wire.failures["createIndexes"] = refusal(13)

    store = await open_on(wire.url)
    await store.insert(make_new_session())
    await store.aclose()

    assert (
        "Indexes could not be created (code 13); run `chatfold store init` as one who may."
        in logged.messages
    )


async def test_a_service_that_is_refused_its_first_question_does_not_start_with_less(
    wire: WireServer, logged: pytest.LogCaptureFixture
) -> None:
    wire.fail_once("findAndModify", refusal(13))

    with pytest.raises(Exception, match="credentials"):
        await open_on(wire.url)

    assert not [one for one in logged.messages if "whole heads" in one]


# --- Azure Cosmos DB ----------------------------------------------------------------------------


async def test_cosmos_has_documents_of_two_mebibytes_and_messages_of_one(cosmos: str) -> None:
    store = await open_on(cosmos)

    limits = store.limits
    await store.insert(make_new_session())
    with pytest.raises(DocumentTooLargeError) as refused:
        await store.append(KEY, [make_message(content="x" * MEBIBYTE)], at=START)
    await store.aclose()

    assert (limits.message_bytes, limits.batch_bytes) == (MEBIBYTE, MEBIBYTE)
    assert refused.value.limit == 1_048_576


async def test_other_servers_have_the_limits_of_mongodb(wire: WireServer) -> None:
    store = await open_on(wire.url)

    assert store.limits.message_bytes == 8 * MEBIBYTE
    await store.aclose()


async def test_cosmos_is_told_the_name_of_its_account(cosmos: str, wire: WireServer) -> None:
    store = await open_on(f"{cosmos}?appName=@account@")
    await store.aclose()
    other = await open_on(cosmos)
    await other.aclose()

    named = {one["client"]["application"]["name"] for one in wire.greeted if "client" in one}
    assert named == {"@account@", "chatfold"}
