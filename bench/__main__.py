"""`python -m bench [fold | SECONDS]`: the figures of the README, each beside its limit."""

import asyncio
import os
import platform
import sys

import apsw
import fastapi

from bench import folding, over_http
from bench.folding import FoldFigure
from bench.over_http import Figure


def main() -> None:
    """Measure, and print a table for the served store and one for the fold."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else "10"
    served = [] if wanted == "fold" else asyncio.run(over_http.measure(int(wanted)))
    folded = folding.measure()
    print(
        f"\nPython {platform.python_version()}, FastAPI {fastapi.__version__},"
        f" SQLite {apsw.sqlite_lib_version()}, {os.cpu_count()} cores"
    )
    if served:
        print_table(served)
        print()
    print_fold_table(folded)


def print_table(figures: list[Figure]) -> None:
    """One row a figure, in Markdown."""
    print("| figure | per second | limit per second | ratio | wanted |")
    print("|---|---|---|---|---|")
    for one in figures:
        print(
            f"| {one.name} | {one.rate:,.0f} | {one.limit:,.0f} | {one.ratio:.2f}"
            f" | {one.wanted:.2f} |"
        )


def print_fold_table(figures: list[FoldFigure]) -> None:
    """One row a figure, in Markdown."""
    print("| figure | ours | beside it | ratio | wanted |")
    print("|---|---|---|---|---|")
    for one in figures:
        print(
            f"| {one.name} | {one.ours:,.1f} {one.unit} | {one.theirs:,.1f} {one.unit}"
            f" | {one.ratio:.2f} | {one.wanted} |"
        )


if __name__ == "__main__":
    main()
