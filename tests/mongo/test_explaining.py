"""Plans are understood as MongoDB 6 to 8 give them."""

from typing import Any

import pytest

from tests.mongo.explaining import plan_in

CLASSIC = {
    "queryPlanner": {
        "parsedQuery": {"stage": {"$eq": "COLLSCAN"}},
        "winningPlan": {
            "stage": "FETCH",
            "inputStage": {"stage": "IXSCAN", "indexName": "activity"},
        },
        "rejectedPlans": [{"stage": "SORT", "inputStage": {"stage": "COLLSCAN"}}],
    }
}
SLOTS = {
    "queryPlanner": {
        "winningPlan": {
            "queryPlan": {"stage": "SORT", "inputStage": {"stage": "COLLSCAN"}},
            "slotBasedPlan": {"stages": "scan"},
        }
    }
}
SHARDED = {
    "queryPlanner": {
        "winningPlan": {
            "stage": "SHARD_MERGE_SORT",
            "shards": [
                {"winningPlan": {"stage": "IXSCAN", "indexName": "keys"}},
                {"winningPlan": {"stage": "IXSCAN", "indexName": "owners"}},
            ],
        }
    }
}
EXPRESS = {"queryPlanner": {"winningPlan": {"stage": "EXPRESS_IXSCAN", "indexName": "_id_"}}}
PIPELINE = {"stages": [{"$cursor": CLASSIC}, {"$group": {"_id": None}}]}


@pytest.mark.parametrize(
    ("said", "indexes", "looks_at_all", "sorts_in_memory"),
    [
        (CLASSIC, {"activity"}, False, False),
        (SLOTS, set(), True, True),
        (SHARDED, {"keys", "owners"}, False, False),
        (EXPRESS, {"_id_"}, False, False),
        (PIPELINE, {"activity"}, False, False),
    ],
    ids=["classic", "slots", "sharded", "express", "pipeline"],
)
def test_a_plan_is_understood(
    said: dict[str, Any], indexes: set[str], looks_at_all: bool, sorts_in_memory: bool
) -> None:
    plan = plan_in(said)

    assert (plan.indexes, plan.looks_at_all, plan.sorts_in_memory) == (
        indexes,
        looks_at_all,
        sorts_in_memory,
    )
