"""The queries that our readers send to Azure Cosmos DB, and nothing else of its language."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Condition = Callable[[Document], bool]

_QUERY = re.compile(
    r"SELECT (?:(?P<all>\*)|VALUE (?P<value>.+?)) FROM (?P<alias>\w+)(?: WHERE (?P<where>.+))?"
)
_REWRITTEN = re.compile(r'\[\{"item": (?P<aggregate>.+)\}\]')
_AGGREGATE = re.compile(r"(?P<function>COUNT|MAX)\((?P<argument>1|\w+\._ts)\)")
_MEMBER = r'{alias}\[(?P<name>"(?:[^"\\]|\\.)*")\]'


class UnknownQueryError(ValueError):
    """None of our readers sends such a query."""


@dataclass(frozen=True)
class Query:
    """A query that is understood."""

    text: str
    member: str | None
    """The one member that is wanted; None: the whole document, or an aggregate."""
    aggregate: str | None
    """`COUNT` or `MAX`."""
    is_rewritten: bool
    condition: Condition

    @classmethod
    def of(cls, text: str, parameters: dict[str, Any]) -> "Query":
        """The query of a text.

        Raises:
            UnknownQueryError: it is none of ours, or lacks a parameter.
        """
        parsed = _QUERY.fullmatch(text)
        if parsed is None:
            raise UnknownQueryError(f"Syntax error in {text!r}.")
        alias, value = parsed["alias"], parsed["value"] or ""
        condition = _condition(parsed["where"], alias, parameters)
        rewritten = _REWRITTEN.fullmatch(value)
        aggregate = _AGGREGATE.fullmatch(rewritten["aggregate"] if rewritten else value)
        member = re.fullmatch(_MEMBER.format(alias=alias), value)
        if not (parsed["all"] or aggregate or member):
            raise UnknownQueryError(f"Syntax error in {value!r}.")
        return cls(
            text,
            json.loads(member["name"]) if member else None,
            aggregate["function"] if aggregate else None,
            rewritten is not None,
            condition,
        )

    def answered(self, documents: Sequence[Document]) -> list[Any]:
        """What one range of a container has to say."""
        found = [one for one in documents if self.condition(one)]
        if self.aggregate is not None:
            dates = [one["_ts"] for one in found]
            value = len(found) if self.aggregate == "COUNT" else max(dates, default=None)
            if value is None:
                return [[{}]] if self.is_rewritten else []
            return [[{"item": value}]] if self.is_rewritten else [value]
        if self.member is not None:
            return [one[self.member] for one in found if self.member in one]
        return found

    def plan(self, ranges: list[list[str]]) -> dict[str, Any]:
        """How it is to be asked of every range."""
        rewritten = ""
        if self.aggregate is not None:
            rewritten = re.sub(r"VALUE (.+?) FROM", r'VALUE [{"item": \1}] FROM', self.text)
        return {
            "partitionedQueryExecutionInfoVersion": 2,
            "queryInfo": {
                "distinctType": "None",
                "top": None,
                "offset": None,
                "limit": None,
                "orderBy": [],
                "orderByExpressions": [],
                "groupByExpressions": [],
                "groupByAliases": [],
                "aggregates": [] if self.aggregate is None else [self.aggregate.capitalize()],
                "groupByAliasToAggregateType": {},
                "rewrittenQuery": rewritten,
                "hasSelectValue": self.aggregate is not None or self.member is not None,
                "hasNonStreamingOrderBy": False,
            },
            "queryRanges": [
                {"min": least, "max": most, "isMinInclusive": True, "isMaxInclusive": False}
                for least, most in ranges
            ],
        }


def _condition(text: str | None, alias: str, parameters: dict[str, Any]) -> Condition:
    if text is None:
        return lambda _: True
    alternatives = [_alternative(one, alias, parameters) for one in text.split(" OR ")]
    return lambda document: any(holds(document) for holds in alternatives)


def _alternative(text: str, alias: str, parameters: dict[str, Any]) -> Condition:
    member = _MEMBER.format(alias=alias)
    if undefined := re.fullmatch(rf"NOT IS_DEFINED\({member}\)", text):
        name = json.loads(undefined["name"])
        return lambda document: name not in document
    if among := re.fullmatch(rf"{member} IN \((?P<values>@\w+(?:, @\w+)*)\)", text):
        values = [_value(one, parameters) for one in among["values"].split(", ")]
    elif contains := re.fullmatch(rf"ARRAY_CONTAINS\((?P<values>@\w+), {member}\)", text):
        among, values = contains, _value(contains["values"], parameters)
    else:
        raise UnknownQueryError(f"Syntax error in {text!r}.")
    name = json.loads(among["name"])
    wanted = [json.dumps(one) for one in values]
    return lambda document: name in document and json.dumps(document[name]) in wanted


def _value(name: str, parameters: dict[str, Any]) -> Any:
    if name not in parameters:
        raise UnknownQueryError(f"There is no parameter {name}.")
    return parameters[name]
