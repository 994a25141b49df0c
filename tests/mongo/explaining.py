"""Explaining: how a server says that it would find what a command looks for."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pymongo.asynchronous.database import AsyncDatabase

from tests.mongo.watching import Command

Document = dict[str, Any]

_OF_THE_CALL = {
    *("lsid", "$db", "$clusterTime", "$readPreference", "txnNumber", "maxTimeMS"),
    *("readConcern", "writeConcern"),
}
"""Members of a command that say nothing of what it looks for."""
_NOT_THE_PLAN = {"rejectedPlans", "slotBasedPlan", "parsedQuery", "command"}


class Plan(NamedTuple):
    """The steps of a plan, and the indexes that they use; `_id` alone needs to name none."""

    stages: set[str]
    indexes: set[str]

    @property
    def looks_at_all(self) -> bool:
        """Whether it reads the collection instead of an index."""
        return "COLLSCAN" in self.stages

    @property
    def sorts_in_memory(self) -> bool:
        """Whether no index gave the order."""
        return bool(self.stages & {"SORT", "SORT_KEY_GENERATOR"})


async def explained(database: AsyncDatabase[Document], command: Command) -> Plan:
    """The plan that a server has for a command."""
    asked = {name: value for name, value in command.body.items() if name not in _OF_THE_CALL}
    return plan_in(await database.command({"explain": asked, "verbosity": "queryPlanner"}))


def plan_in(said: Document) -> Plan:
    """The plan in the answer of `explain`, of whatever version, sharded or not."""
    found = list(_members(said))
    return Plan(
        {value for name, value in found if name == "stage"},
        {value for name, value in found if name == "indexName"},
    )


def _members(part: Any) -> Iterator[tuple[str, Any]]:
    match part:
        case dict():
            for name, value in part.items():
                if name not in _NOT_THE_PLAN:
                    yield name, value
                    yield from _members(value)
        case list():
            for item in part:
                yield from _members(item)
