"""SourceOptions: what an operator says of a source, because the source does not say it itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceOptions:
    """How a source is to be read, and how much of it; by default as it is, and all of it."""

    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """Their names by ours, where theirs are other ones."""
    default_user: str | None = None
    """Whose a session is where none of its records names a user."""
    time_zone: str | None = None
    """The name of the zone (`Europe/Berlin`) of times that name none; None: UTC, and a finding."""
    limit: int | None = None
    """How many records are read at most."""
    user: str | None = None
    session: str | None = None
    """Only the sessions of this user, or with this id; both: only this one."""

    @property
    def is_subset(self) -> bool:
        """Whether only some sessions are wanted."""
        return self.user is not None or self.session is not None


AS_IT_IS = SourceOptions()
