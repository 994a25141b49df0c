"""Running statements: rows as tuples of Any, since the schema types the columns, not the driver."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import apsw

from app.errors import CorruptDocumentError

Row = tuple[Any, ...]

Value = str | int | float | bytes | None
"""What can be bound to a statement; `apsw` has a name for it, but for type checkers only."""


def rows(
    connection: apsw.Connection, statement: str, values: Sequence[Value] = ()
) -> Iterator[Row]:
    """The rows of a statement, as they come."""
    return cast("Iterator[Row]", connection.execute(statement, values))


def find_row(
    connection: apsw.Connection, statement: str, values: Sequence[Value] = ()
) -> Row | None:
    """The first row, or None."""
    return cast("Row | None", connection.execute(statement, values).fetchone())


def get_row(connection: apsw.Connection, statement: str, values: Sequence[Value] = ()) -> Row:
    """The first row of a statement that always has one in a store that is whole.

    Raises:
        CorruptDocumentError: it has none.
    """
    row = find_row(connection, statement, values)
    if row is None:
        raise CorruptDocumentError("row")
    return row
