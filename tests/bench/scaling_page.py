"""docs/scaling.md and the tables in it that scripts print.

`python -m tests.bench.scaling_page` puts each script's tables in place of those with their headers.
"""

from pathlib import Path

from bench import scaling, skew, stored_sizes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


def printed_tables() -> list[str]:
    """All tables of the page as the scripts print them now."""
    return [*stored_sizes.tables(stored_sizes.MEASURED), *scaling.tables(), *skew.tables()]


def tables_on_the_page() -> list[str]:
    """Those whose columns are figures; a script prints each of them."""
    blocks = PAGE.read_text(encoding="utf-8").split("\n\n")
    return [block.strip() for block in blocks if "| ---: |" in block]


def renewed(page: str) -> str:
    """The page with the tables that the scripts print now."""
    by_header = {table.partition("\n")[0]: table for table in printed_tables()}
    blocks = page.rstrip("\n").split("\n\n")
    return "\n\n".join(by_header.get(one.partition("\n")[0], one) for one in blocks) + "\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
