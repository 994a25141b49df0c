"""The page for owners of clients tells of every deprecated route, and its examples work."""

import re
import shlex
from collections.abc import AsyncIterator, Iterator
from functools import cache

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.memory import MemoryStore
from tests.api.serving import serving
from tests.docs.client_page import PAGE, part_names, renewed
from tests.docs.moves import DOORS
from tests.fake_clock import FakeClock

SETTINGS = Settings(store="memory://")
OPERATORS = {"/api/admin/callers", "/metrics"}
WITHOUT_ASSISTANT = 501
"""What talking answers where no assistant is configured; the message is stored."""
MOVES = {move.old.name: move for door in DOORS for move in door.moves}


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@cache
def operations() -> dict[str, bool]:
    """Every operation of the OpenAPI document, and whether it is deprecated."""
    document = create_app(SETTINGS, MemoryStore(), FakeClock()).openapi()
    return {
        f"{method.upper()} {path}": operation.get("deprecated", False)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def route_of(method: str, path: str) -> str:
    """The route that a path is of; of several, the one with the fewest ids in it."""
    fitting = [
        name
        for name in operations()
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(name)), f"{method} {path}")
    ]
    return min(fitting, key=lambda name: name.count("{"))


def examples(language: str) -> list[str]:
    """The lines of the generated examples in a language, comments left out."""
    generated = page().partition("<!-- examples:")[2].partition("<!-- end -->")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```", generated, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith(("#", "//"))]


class CurlCommand:
    """What a line of `curl` asks for."""

    def __init__(self, line: str, variables: dict[str, str]) -> None:
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = iter(shlex.split(line))
        assert next(words) == "curl"
        self.method = ""
        self.headers: dict[str, str] = {}
        self.body: str | None = None
        for word in words:
            match word:
                case "-s" | "-sN" | "-si":
                    pass
                case "-X":
                    self.method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    self.headers[name] = value
                case "-d":
                    self.body = next(words)
                case _:
                    self.url = httpx.URL(word)
        self.method = self.method or ("GET" if self.body is None else "POST")


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(create_app(SETTINGS, MemoryStore(), clock)) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"X-User-Id": "ada"}
        ) as client,
    ):
        yield client


async def make_what_examples_use(client: httpx.AsyncClient) -> None:
    await client.delete("/api/chat/users/me")
    made = [
        await client.post(
            "/api/chat/sessions",
            json={"id": "trip", "project_id": "garden", "workspace_id": "home"},
        ),
        await client.post("/api/chat/sessions/trip/messages", json={"content": "Hello"}),
    ]
    assert all(answer.is_success for answer in made)


def test_the_generated_parts_are_up_to_date() -> None:
    assert part_names(page()) == ["dates", "routes", "examples"]
    assert renewed(page()) == page(), "renew them: python -m tests.docs.client_page"


def test_every_deprecated_operation_has_its_row_and_no_other_has() -> None:
    deprecated = {name for name, is_deprecated in operations().items() if is_deprecated}

    rows = re.findall(r"^\| `(\w+ /[^`]+)` \| (`\w+ /.+) \|$", page(), re.MULTILINE)

    assert [old for old, _ in rows] == list(MOVES)
    assert {old for old, _ in rows} == deprecated
    for _, new in rows:
        successors = re.findall(r"`([^`]+)`", new)
        assert successors
        assert not any(operations()[successor] for successor in successors)


async def test_the_page_agrees_with_what_routes_announce(client: httpx.AsyncClient) -> None:
    for move in MOVES.values():
        await make_what_examples_use(client)
        answer = await client.request(move.old.method, move.old.target, json=move.old.body)

        (link,) = answer.headers.get_list("link")
        announced = link.partition(">")[0].removeprefix("<")
        near = [call.target.partition("?")[0] for call in move.new]
        assert any(path.startswith(announced) or announced.startswith(path) for path in near), (
            move.old.name,
            announced,
        )


@pytest.mark.parametrize("language", ["sh", "ts"])
def test_every_row_has_its_examples_in_both_languages(language: str) -> None:
    asked = [
        named
        for line in examples(language)
        for named in ([name_of_curl(line)] if language == "sh" else names_of_typescript(line))
    ]

    expected = [call.name for move in MOVES.values() for call in (move.old, *move.new)]
    assert asked == expected


def name_of_curl(line: str) -> str:
    command = CurlCommand(line, {"chatfold": "http://x", "user": "X-User-Id: ada"})
    return route_of(command.method, command.url.path)


def names_of_typescript(line: str) -> Iterator[str]:
    found = re.fullmatch(
        r'await ask\("(\w+)", `([^`]+)`(?:, \{ .+ \})?\);'
        r"|location\.assign\(`\$\{chatfold\}([^`]+)`\);"
        r"|for await \(const event of listen\(`([^`]+)`, \{ .+ \}\)\) console\.log\(event\);",
        line,
    )
    assert found, line
    method, path = found[1], found[2]
    if method is None:
        method, path = ("GET", found[3]) if found[3] else ("POST", found[4])
    yield route_of(method, re.sub(r"\$\{\w+\}", "id", path.partition("?")[0]))


async def test_every_curl_command_succeeds(client: httpx.AsyncClient) -> None:
    statuses: dict[str, int] = {}
    for number, line in enumerate(examples("sh")):
        await make_what_examples_use(client)
        base = str(client.base_url).rstrip("/")
        command = CurlCommand(line, {"chatfold": base, "user": "X-User-Id: ada"})
        answer = await client.request(
            command.method, command.url, headers=command.headers, content=command.body
        )
        statuses[f"{number} {line}"] = answer.status_code

    refused = {line: status for line, status in statuses.items() if status >= 400}
    assert set(refused.values()) <= {WITHOUT_ASSISTANT}
    assert all("/chat" in line.partition("-d")[0] for line in refused)


def test_what_the_page_says_of_counters_is_there() -> None:
    said = set(re.findall(r'"\$chatfold(/[^"]+)"', page().partition("## Who still calls what")[2]))

    assert said == OPERATORS
    assert {f"GET {path}" for path in said} <= set(operations())


async def test_counters_are_as_the_page_shows_them(client: httpx.AsyncClient) -> None:
    await client.get("/api/chat/history", headers={"User-Agent": "OldPhone/3.1 (Linux)"})

    figures = (await client.get("/metrics")).text

    (shown,) = re.findall(r"^chatfold_deprecated_calls_total\{.+$", page(), re.MULTILINE)
    assert shown.rpartition(" ")[0] in figures
