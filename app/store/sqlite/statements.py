"""Running statements: rows as tuples of Any, since the schema types the columns, not the driver.

The driver's stubs leave the bindings partly unknown; what has to be ignored for that stays here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import apsw

from app.errors import CorruptDocumentError

Row = tuple[Any, ...]

Value = str | int | float | bytes | None
"""What can be bound to a statement; `apsw` has a name for it, but for type checkers only."""


def run(connection: apsw.Connection, statement: str, values: Sequence[Value] = ()) -> None:
    """Run a statement for what it does."""
    connection.execute(statement, values)  # pyright: ignore[reportUnknownMemberType] - see above


def run_many(connection: apsw.Connection, statement: str, many: Iterable[Sequence[Value]]) -> None:
    """Run a statement once for each of many lists of values."""
    connection.executemany(statement, many)  # pyright: ignore[reportUnknownMemberType] - see above


def pragma(connection: apsw.Connection, name: str, *value: str | int) -> Any:
    """Set a pragma, or read it where no value is given."""
    return connection.pragma(name, *value)  # pyright: ignore[reportUnknownMemberType] - see above


def rows(
    connection: apsw.Connection, statement: str, values: Sequence[Value] = ()
) -> Iterator[Row]:
    """The rows of a statement, as they come."""
    return cast("Iterator[Row]", connection.execute(statement, values))  # pyright: ignore[reportUnknownMemberType] - see above


def find_row(
    connection: apsw.Connection, statement: str, values: Sequence[Value] = ()
) -> Row | None:
    """The first row, or None."""
    return cast("Row | None", connection.execute(statement, values).fetchone())  # pyright: ignore[reportUnknownMemberType] - see above


def get_row(connection: apsw.Connection, statement: str, values: Sequence[Value] = ()) -> Row:
    """The first row of a statement that always has one in a store that is whole.

    Raises:
        CorruptDocumentError: it has none.
    """
    row = find_row(connection, statement, values)
    if row is None:
        raise CorruptDocumentError("row")
    return row
