"""Job: what a named migration is made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from app.domain.source_options import AS_IT_IS, SourceOptions
from app.errors import ConfigurationError
from app.formats.port import Format, Source


@dataclass(frozen=True)
class Job:
    """A fold of one kind of source; one file each in `migrations.jobs`."""

    name: str
    """As it is called on the command line."""
    summary: str
    """What it does, in a sentence for the command line."""
    make_format: Callable[[SourceOptions], Format]
    open_source: Callable[[str, SourceOptions], Source]
    """From what the operator named."""
    reads_folder: bool = False
    """Whether a source is a folder, and not a file."""
    makes_projects: bool = False
    """Whether each session becomes a project, too; then its source is kept: nothing finishes it."""
    options: SourceOptions = AS_IT_IS
    """What the operator says of the source, and how much of it is wanted."""

    @cached_property
    def format(self) -> Format:
        """How the source is read; its name is the origin of the sessions that the job makes."""
        return self.make_format(self.options)

    def told(self, options: SourceOptions) -> "Job":
        """The job with these options."""
        return replace(self, options=options)

    def open(self, location: str) -> Source:
        """The source that the operator named, to be entered by whoever reads it.

        Raises:
            ConfigurationError: it is a folder where a file is wanted, or the other way round.
            SourceError: there can be no such source.
        """
        is_folder = Path(location).is_dir()
        if is_folder is not self.reads_folder:
            raise ConfigurationError(f"{location} is {'a' if is_folder else 'no'} folder.")
        return self.open_source(location, self.options)
