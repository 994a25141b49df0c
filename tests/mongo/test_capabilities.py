"""What is left out on a server is in one table, with its reason; the page shows it as it is."""

import ast

from tests.mongo.capabilities import (
    LACKS,
    ROOT,
    drawn_table,
    reason_to_leave_out,
    table_on_the_page,
)


def test_the_page_shows_the_table_as_it_is() -> None:
    assert table_on_the_page() == drawn_table(), "python -m tests.mongo.capabilities draws it anew"


def test_every_line_says_what_is_done_instead() -> None:
    assert [lack.what for lack in LACKS if not lack.what or not lack.instead] == []


def test_every_test_that_is_left_out_exists() -> None:
    unknown = []
    for lack in LACKS:
        for beginning in lack.left_out:
            file, _, case = beginning.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            tests = {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
            tests |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            if case.partition("[")[0] not in tests:
                unknown.append(beginning)

    assert unknown == []


def test_a_test_is_left_out_on_its_server_only() -> None:
    soak = "tests/soak/test_kills.py::test_a_service_that_is_killed_over_and_over_loses_nothing["

    assert reason_to_leave_out("ferretdb", soak + "ferretdb]") is not None
    assert reason_to_leave_out("ferretdb-small-segments", soak + "x]") is not None
    assert reason_to_leave_out("java", soak + "java]") is None
    assert reason_to_leave_out("sqlite", soak + "sqlite]") is None
    assert reason_to_leave_out(None, soak) is None


def test_one_parameter_of_a_test_can_be_left_out() -> None:
    test = (
        "tests/laws/test_law_01_nothing_acknowledged_is_lost.py::"
        "test_what_was_acknowledged_is_there_after_every_process_was_killed"
    )

    assert reason_to_leave_out("ferretdb", test + "[ferretdb-2]") is not None
    assert reason_to_leave_out("ferretdb", test + "[ferretdb-1]") is None
