"""Verify proves the fold only as long as it shares no code with it."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDING = {
    "app.domain.artifact_chains",
    "app.domain.folding",
    "app.domain.projecting",
    "migrations.completing",
    "migrations.decoding",
    "migrations.document_targets",
    "migrations.folds",
    "migrations.outcomes",
    "migrations.plan",
    "migrations.retelling",
    "migrations.runner",
    "migrations.spool",
    "migrations.storing",
    "migrations.storing_documents",
    "migrations.targets",
}


def imports_of(module: str) -> Iterator[str]:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def ours_reached_from(module: str, reached: set[str]) -> set[str]:
    for imported in imports_of(module):
        is_ours = imported.startswith(("app.", "migrations."))
        if is_ours and imported not in reached:
            reached.add(imported)
            ours_reached_from(imported, reached)
    return reached


@pytest.mark.parametrize(
    ("module", "own"),
    [
        ("migrations.verify", "migrations.expected"),
        ("migrations.verify", "migrations.expected_tree"),
        ("migrations.verify", "migrations.expected_projects"),
        ("migrations.verify_export", "migrations.expected_source"),
    ],
)
def test_verify_reaches_no_code_that_folds(module: str, own: str) -> None:
    reached = ours_reached_from(module, set())

    assert own in reached
    assert {one for one in reached if one in FOLDING or one.startswith("app.formats.")} == set()


def test_the_walk_would_see_folding_code() -> None:
    reached = ours_reached_from("migrations.runner", set())

    assert {"app.domain.folding", "app.formats.port"} <= reached
