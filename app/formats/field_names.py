"""Names of fields: ours, and what a source calls them."""

from collections.abc import Mapping, Sequence

from app.errors import ConfigurationError


def names_in_source(ours: Sequence[str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Their name of each field that a format has; ours where the operator names none.

    Raises:
        ConfigurationError: the operator names a field that the format does not have.
    """
    for name in theirs:
        if name not in ours:
            known = ", ".join(ours)
            raise ConfigurationError(f"There is no field {name!r}; there are {known}.")
    return {name: theirs.get(name, name) for name in ours}
