"""TreeReport: what was done with the sessions of a tree on disk, and what could not be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeReport:
    """What became of each session."""

    title: str
    is_dry: bool
    sessions: Mapping[str, int]
    """By what was done, or would be."""
    refused: Sequence[Mapping[str, str]]
    """The sessions that were left alone, each with `why`."""

    @property
    def has_findings(self) -> bool:
        """Whether something was left alone."""
        return bool(self.refused)

    def to_text(self) -> str:
        """For people."""
        counts = ", ".join(f"{count:,} {state}" for state, count in self.sessions.items())
        lines = [f"{self.title}: {counts}" + (" (nothing was done)" if self.is_dry else "")]
        for one in self.refused:
            shown = {name: ascii(value) for name, value in one.items() if name != "why"}
            named = ", ".join(f"{name} {value}" for name, value in shown.items())
            lines.append(f"    left alone: {named}: {one['why']}")
        return "\n".join(lines) + "\n"
