"""Queries: what commands look for, and by the rules of MongoDB's manual whether an index serves it.

"Equality, Sort, Range": an index serves what names its first fields by equality, then sorts by the
next ones in their order or all the other way round, or asks for a range of the next one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.mongo.watching import Command

Document = dict[str, Any]
Keys = Sequence[tuple[str, Any]]
ID_INDEX: Keys = [("_id", 1)]
_RANGES = {"$gt", "$gte", "$lt", "$lte", "$regex"}
_MANY = "$in"
_LOOKING_FOR_NOTHING = {
    *("insert", "endSessions", "getMore", "killCursors"),
    *("collStats", "dbStats"),
}


class Query(NamedTuple):
    """Where something is looked for, and how it is ordered."""

    collection: str
    condition: Document
    sort: Keys

    @property
    def shape(self) -> str:
        """The query without its values."""
        order = ", ".join(field for field, _ in self.sort)
        return f"{self.collection}: {', '.join(sorted(self.condition))}" + (
            order and f" by {order}"
        )

    def is_served_by(self, index: Keys) -> bool:
        """Whether the index finds no more than it has to, in the order that is wanted."""
        points, ranges = _bounds(self.condition)
        fields = [field for field, _ in index]
        count = 0
        while count < len(fields) and fields[count] in points:
            count += 1
        wanted = [(field, order) for field, order in self.sort if field not in points]
        offered = list(index[count : count + len(wanted)])
        is_in_order = wanted in (offered, [(field, -order) for field, order in offered])
        return is_in_order and (count > 0 or fields[0] in ranges)

    def is_ordered_by(self, index: Keys) -> bool:
        """Whether a walk through all of an index meets everything in the wanted order."""
        return bool(self.sort) and list(index[: len(self.sort)]) == list(self.sort)


def queries_of(commands: Iterable[Command]) -> Iterator[Query]:
    """Everything that commands have looked for."""
    for command in commands:
        body = command.body
        match command.name:
            case "find":
                sort = list(body.get("sort", {}).items())
                yield Query(body["find"], body["filter"], sort)
            case "findAndModify":
                yield Query(body["findAndModify"], body["query"], [])
            case "update":
                yield from (Query(body["update"], one["q"], []) for one in body["updates"])
            case "delete":
                yield from (Query(body["delete"], one["q"], []) for one in body["deletes"])
            case "aggregate":
                yield Query(body["aggregate"], body["pipeline"][0]["$match"], [])
            case name:
                assert name in _LOOKING_FOR_NOTHING


def _bounds(condition: Document) -> tuple[set[str], set[str]]:
    """The fields that are asked for by value, and those asked for by range."""
    points: set[str] = set()
    ranges: set[str] = set()
    for field, value in condition.items():
        if field == "$and":
            for one in value:
                more_points, more_ranges = _bounds(one)
                points |= more_points
                ranges |= more_ranges
        elif field.startswith("$"):
            continue  # it is looked at in what the index has found
        elif isinstance(value, dict) and value.keys() <= _RANGES:
            ranges.add(field)
        elif not isinstance(value, dict) or value.keys() == {_MANY}:
            points.add(field)
    return points, ranges
