"""`python -m tests.docs.client_page`: writes the generated parts of `docs/migrating-clients.md`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from app.settings import Settings
from tests.docs.moves import DOORS, Call, Move

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "migrating-clients.md"

_PART = re.compile(
    r"(<!-- (\w+): python -m tests\.docs\.client_page -->\n).*?(<!-- end -->\n)", re.DOTALL
)
_IN_TYPESCRIPT = {
    "{session_id}": "${sessionId}",
    "{conversation_id}": "${sessionId}",
    "{project_id}": "${projectId}",
}


def renewed(page: str) -> str:
    """The page with its generated parts as they have to be."""
    parts = {"dates": _dates(), "routes": _routes(), "examples": _examples()}
    return _PART.sub(lambda found: found[1] + "\n".join(parts[found[2]]) + "\n" + found[3], page)


def part_names(page: str) -> list[str]:
    """The generated parts that a page has, in their order."""
    return [found[2] for found in _PART.finditer(page)]


def _dates() -> Iterator[str]:
    yield "| door | deprecated since | ends | settings |"
    yield "|---|---|---|---|"
    for door in DOORS:
        settings = [f"{door.setting}_{name}" for name in ("deprecated_at", "sunset")]
        days = [f"{Settings.model_fields[name].default:%Y-%m-%d}" for name in settings]
        names = ", ".join(f"`CHATFOLD_{name.upper()}`" for name in settings)
        yield f"| [{door.title}](#{_anchor(door.title)}) | {days[0]} | {days[1]} | {names} |"


def _routes() -> Iterator[str]:
    yield "| old | new |"
    yield "|---|---|"
    for door in DOORS:
        for move in door.moves:
            new = "<br>".join(f"`{call.name}`" for call in move.new)
            yield f"| `{move.old.name}` | {new} |"


def _examples() -> Iterator[str]:
    for door in DOORS:
        yield f"\n## {door.title}\n"
        yield f"{door.text}"
        for move in door.moves:
            yield from _example(move)


def _example(move: Move) -> Iterator[str]:
    yield f"\n### `{move.old.name}`\n"
    yield move.changes
    for language, line_of in (("sh", _curl), ("ts", _typescript)):
        comment = "#" if language == "sh" else "//"
        yield f"\n```{language}"
        yield f"{comment} old"
        yield line_of(move.old)
        yield f"{comment} new"
        for call in move.new:
            yield line_of(call)
        yield "```"


def _curl(call: Call) -> str:
    words = ["curl", "-sN" if call.streams else "-si" if call.is_page else "-s"]
    if call.method != ("GET" if call.body is None else "POST"):
        words += ["-X", call.method]
    words += [f'"$chatfold{call.target}"', "-H", '"$user"']
    if call.body is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", quote(_compact(call.body))]
    return " ".join(words)


def _typescript(call: Call) -> str:
    path = call.route + (f"?{call.query}" if call.query else "")
    for name, expression in _IN_TYPESCRIPT.items():
        path = path.replace(name, expression)
    body = "" if call.body is None else f", {_literal(call.body)}"
    if call.is_page:
        return f"location.assign(`${{chatfold}}{path}`);"
    if call.streams:
        return f"for await (const event of listen(`{path}`{body})) console.log(event);"
    return f'await ask("{call.method}", `{path}`{body});'


def _compact(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _literal(body: dict[str, Any]) -> str:
    members = (f"{name}: {json.dumps(value)}" for name, value in body.items())
    return "{ " + ", ".join(members) + " }"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
