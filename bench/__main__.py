"""`python -m bench [fold | SECONDS]`: the figures of the README, each beside its limit."""

import asyncio
import os
import platform
import sys

import apsw
import fastapi

from bench import folding, over_http
from bench.figures import fold_table, rate_table


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
        print(rate_table(served), end="\n\n")
    print(fold_table(folded))


if __name__ == "__main__":
    main()
