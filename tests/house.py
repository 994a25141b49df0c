"""The house as it stands: each module with the first line of its docstring.

`python -m tests.house` writes it into ARCHITECTURE.md, where a test expects it.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "ARCHITECTURE.md"
_BEGIN, _END = "## The rooms\n\n```text\n", "```\n\n## Three ways"


def drawn_house() -> str:
    """A line for each module that holds anything, by folder."""
    lines: list[str] = []
    for package in ("app", "migrations"):
        folder: Path | None = None
        for file in sorted((ROOT / package).rglob("*.py"), key=lambda f: (f.parent, f.name)):
            source = file.read_text(encoding="utf-8")
            if not source:
                continue
            if file.parent != folder:
                folder = file.parent
                lines.append(f"{folder.relative_to(ROOT).as_posix()}/")
            first_line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
            lines.append(f"  {file.name:<24}{first_line}")
    return "\n".join(lines) + "\n"


def house_on_the_map() -> str:
    """The same as ARCHITECTURE.md has it."""
    return MAP.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def main() -> None:
    """Bring ARCHITECTURE.md up to the tree."""
    before, begin, rest = MAP.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    MAP.write_text(before + begin + drawn_house() + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
