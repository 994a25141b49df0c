"""What commands ask about a source: where it is, how it is to be read, and how much of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.domain.container_address import is_container
from app.domain.source_options import SourceOptions
from app.formats.collection_source import is_collection
from app.formats.file_source import STANDARD_INPUT


def _checked_source(location: str) -> str:
    if is_collection(location) or is_container(location):
        return location
    path = Path(location)
    if path != STANDARD_INPUT and not path.exists():
        raise typer.BadParameter(f"{path} does not exist.")
    return location


def _checked_fields(pairs: Sequence[str]) -> Sequence[str]:
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs):
            raise typer.BadParameter(f"{pair} is not NAME=THEIRS.")
    return pairs


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A file of documents: JSON lines, a JSON array, MongoDB Extended JSON or BSON, plain"
        " or gzipped; - is standard input. A MongoDB collection: mongodb://host/database.collection."
        " A container of Azure Cosmos DB: cosmos://host/database/container, with a key of its"
        " account in CHATFOLD_COSMOS_KEY."
        " For trees, the folder that holds chat_sessions, projects or both.",
        callback=_checked_source,
        show_default=False,
    ),
]
GoneSourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="The source as it was named to `run`; after a kill it may have gone already.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", help="Read so many records at most.", min=1, show_default=False),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", help="Only the sessions of this user.", show_default=False),
]
SessionOption = Annotated[
    str | None,
    typer.Option("--session", help="Only sessions with this id.", show_default=False),
]
FieldOption = Annotated[
    list[str],
    typer.Option(
        "--field",
        help="A field that has another name in the source: created_at=timestamp. May be repeated.",
        metavar="NAME=THEIRS",
        default_factory=list,
        callback=_checked_fields,
        show_default=False,
    ),
]
DefaultUserOption = Annotated[
    str | None,
    typer.Option(
        "--default-user",
        help="Whose a session is where none of its records names a user.",
        metavar="USER",
        show_default=False,
    ),
]
TimeZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        help="The zone of times that name none, such as Europe/Berlin; else they are in UTC.",
        metavar="ZONE",
        show_default=False,
    ),
]


def folder_of(location: str) -> Path:
    """Where the backup of a source goes: beside a file, or into the present folder."""
    is_live = is_collection(location) or is_container(location)
    return Path.cwd() if is_live else Path(location).absolute().parent


def source_options(
    *,
    limit: int | None,
    user: str | None,
    session: str | None,
    fields: Sequence[str],
    default_user: str | None,
    time_zone: str | None,
) -> SourceOptions:
    """What the arguments say, together."""
    return SourceOptions(
        fields={ours: theirs for ours, _, theirs in (pair.partition("=") for pair in fields)},
        default_user=default_user,
        time_zone=time_zone,
        limit=limit,
        user=user,
        session=session,
    )
