"""Figures: a rate beside what it is measured against, a time or a size beside another."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.markdown import table


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate beside the rate it is measured against, both in requests per second."""

    name: str
    rate: float
    limit: float
    wanted: float | None = None

    @property
    def ratio(self) -> float:
        """The share of the limit that is reached."""
        return self.rate / self.limit


@dataclass(frozen=True, slots=True)
class FoldFigure:
    """What a fold reaches or needs beside what it is measured against."""

    name: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    wanted: str


def rate_table(figures: Iterable[Figure]) -> str:
    """One row a figure, in Markdown."""
    rows = (
        (
            one.name,
            f"{one.rate:,.0f}",
            f"{one.limit:,.0f}",
            f"{one.ratio:.2f}",
            "" if one.wanted is None else f"{one.wanted:.2f}",
        )
        for one in figures
    )
    return table(("figure", "per second", "limit per second", "ratio", "wanted"), rows)


def fold_table(figures: Iterable[FoldFigure]) -> str:
    """One row a figure, in Markdown."""
    rows = (
        (
            one.name,
            f"{one.ours:,.1f} {one.unit}",
            f"{one.theirs:,.1f} {one.unit}",
            f"{one.ratio:.2f}",
            one.wanted,
        )
        for one in figures
    )
    return table(("figure", "ours", "beside it", "ratio", "wanted"), rows)
