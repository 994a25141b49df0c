"""SourceOptions: what an operator says of a source, because the source does not say it itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.errors import ConfigurationError

_FIELD = "field."
_OTHERS = ("default_user", "time_zone")


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


def options_of_pairs(pairs: Iterable[tuple[str, str]]) -> SourceOptions:
    """Options by the names that texts give them: `field.NAME`, `default_user`, `time_zone`.

    Raises:
        ConfigurationError: there is no such option, it says nothing, or it says two things.
    """
    fields: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, value in pairs:
        ours = name.removeprefix(_FIELD)
        is_field = ours != name
        if not is_option(name) or not ours:
            raise ConfigurationError(
                f"A source has no option {name!r}; there are {_FIELD}NAME, {' and '.join(_OTHERS)}."
            )
        target = fields if is_field else others
        if not value or ours in target:
            raise ConfigurationError(f"The option {name} of a source needs one value.")
        target[ours] = value
    return SourceOptions(
        fields=fields,
        default_user=others.get("default_user"),
        time_zone=others.get("time_zone"),
    )


def is_option(name: str) -> bool:
    """Whether a name is one that texts give an option."""
    return name.startswith(_FIELD) or name in _OTHERS
