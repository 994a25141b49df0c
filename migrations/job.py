"""Job: what a named migration is made of."""

from dataclasses import dataclass

from app.formats.port import Format


@dataclass(frozen=True, slots=True)
class Job:
    """A fold of one kind of source; one file each in `migrations.jobs`."""

    name: str
    """As it is called on the command line."""
    format: Format
    """How the source is read; its name is the origin of the sessions that the job makes."""
