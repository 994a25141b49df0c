"""The facade is as strict as a server: documents are copies, and each call is one atomic step."""

import asyncio
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo import IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure

from tests.mongo.facade import database_in_memory


async def test_what_goes_in_and_comes_out_is_a_copy() -> None:
    collection = database_in_memory()["things"]
    sent: dict[str, Any] = {"_id": 1, "list": [{"deep": [1]}]}
    pushed = {"deep": [2]}

    await collection.insert_one(sent)
    updated = await collection.find_one_and_update(
        {"_id": 1}, {"$push": {"list": {"$each": [pushed]}}}, return_document=ReturnDocument.AFTER
    )
    found = await collection.find_one({"_id": 1})
    (listed,) = await collection.find({"_id": 1}, {"list": 1}).to_list()
    assert updated == found == listed == {"_id": 1, "list": [{"deep": [1]}, {"deep": [2]}]}
    for document in (sent, updated, found, listed):
        document["list"][0]["deep"].append("spoilt")
    pushed["deep"].append(3)

    assert await collection.find_one({"_id": 1}) == {
        "_id": 1,
        "list": [{"deep": [1]}, {"deep": [2]}],
    }


async def test_of_many_guarded_updates_at_once_one_is_done() -> None:
    collection = database_in_memory()["things"]
    await collection.insert_one({"_id": 1, "revision": 1})

    answers = await asyncio.gather(
        *(
            collection.update_one(
                {"_id": 1, "revision": 1}, {"$inc": {"revision": 1}, "$set": {"by": number}}
            )
            for number in range(20)
        )
    )

    assert sum(answer.modified_count for answer in answers) == 1


async def test_all_of_many_pushes_at_once_are_kept() -> None:
    collection = database_in_memory()["things"]
    await collection.insert_one({"_id": 1, "list": []})

    await asyncio.gather(
        *(collection.update_one({"_id": 1}, {"$push": {"list": number}}) for number in range(20))
    )

    found = await collection.find_one({"_id": 1})
    assert found is not None
    assert sorted(found["list"]) == list(range(20))


async def test_it_refuses_what_servers_refuse() -> None:
    database = database_in_memory()
    collection = database["things"]
    await collection.insert_one({"_id": 1})

    with pytest.raises(DuplicateKeyError) as refused:
        await collection.insert_one({"_id": 1})
    assert refused.value.code == 11000
    with pytest.raises(OverflowError):
        await collection.insert_one({"_id": 2, "number": 2**63})
    with pytest.raises(InvalidDocument):
        await collection.insert_one({"_id": 2, "a\0": 1})
    with pytest.raises(OperationFailure):
        await collection.find({"$text": {"$search": "word"}}).to_list()
    with pytest.raises(OperationFailure):
        await database.command("explain")


async def test_it_can_be_sorted_limited_walked_and_indexed() -> None:
    collection = database_in_memory()["things"]
    await collection.insert_many([{"_id": number, "half": number // 2} for number in range(6)])
    await collection.create_indexes([IndexModel([("half", 1), ("_id", -1)], name="halves")])

    walked = [
        document["_id"]
        async for document in collection.find({}, {"_id": 1})
        .sort([("half", -1), ("_id", 1)])
        .limit(3)
    ]

    assert walked == [4, 5, 2]
    assert (await collection.index_information())["halves"]["key"] == [("half", 1), ("_id", -1)]
