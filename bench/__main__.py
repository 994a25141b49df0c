"""`python -m bench [SECONDS]`: the figures of the README, each beside its limit."""

import asyncio
import os
import platform
import sys

import apsw
import fastapi

from bench.over_http import Figure, measure


def main() -> None:
    """Measure, and print a table."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    figures = asyncio.run(measure(seconds))
    print(
        f"\nPython {platform.python_version()}, FastAPI {fastapi.__version__},"
        f" SQLite {apsw.sqlite_lib_version()}, {os.cpu_count()} cores"
    )
    print_table(figures)


def print_table(figures: list[Figure]) -> None:
    """One row a figure, in Markdown."""
    print("| figure | per second | limit per second | ratio | wanted |")
    print("|---|---|---|---|---|")
    for one in figures:
        print(
            f"| {one.name} | {one.rate:,.0f} | {one.limit:,.0f} | {one.ratio:.2f}"
            f" | {one.wanted:.2f} |"
        )


if __name__ == "__main__":
    main()
