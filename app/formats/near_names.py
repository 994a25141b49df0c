"""Near names: what a field may be called where the operator does not say it."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.formats.field_names import names_in_source


class NearNames:
    """The names of a format's fields in one kind of source; the operator's go before all others.

    Raises:
        ConfigurationError: the operator names a field that the format does not have.
    """

    def __init__(self, near: Mapping[str, Sequence[str]], theirs: Mapping[str, str]) -> None:
        names_in_source(tuple(near), theirs)
        self._names = {
            ours: (theirs[ours],) if ours in theirs else tuple(names)
            for ours, names in near.items()
        }

    def split(self, document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields by our names, and everything else by theirs.

        Of several names of one field, the first that says something counts.
        """
        known: dict[str, Any] = {}
        rest = dict(document)
        for ours, names in self._names.items():
            for name in names:
                if name in rest and known.get(ours) in (None, ""):
                    known[ours] = rest.pop(name)
        return known, rest

    def name(self, ours: str) -> str:
        """What is kept of a field is kept under this name."""
        return self._names[ours][0]
