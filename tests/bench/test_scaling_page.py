"""The figures of docs/scaling.md are those that its scripts print, and those of the data."""

import re
from dataclasses import astuple

import pytest

from bench.stored_sizes import DATA, MEASURED, measure
from tests.bench.scaling_page import PAGE, printed_tables, tables_on_the_page


def test_the_tables_on_the_page_are_those_that_the_scripts_print() -> None:
    on_the_page = tables_on_the_page()

    assert len(on_the_page) == 11
    assert set(on_the_page) == set(printed_tables()), "python -m tests.bench.scaling_page"


def test_every_command_that_the_page_names_exists() -> None:
    commands = re.findall(r"python -m (bench\.\w+)", PAGE.read_text(encoding="utf-8"))

    assert set(commands) == {"bench.stored_sizes", "bench.scaling", "bench.skew"}


@pytest.mark.corpus
@pytest.mark.skipif(
    not DATA.is_dir(), reason="the published chat data is not beside the repository"
)
def test_measured_sizes_are_those_of_the_published_chats() -> None:
    measured = measure("dialogs", is_joined=True)

    # Libraries of zlib differ a little in what they make of the same bytes.
    assert astuple(measured) == pytest.approx(astuple(MEASURED["dialogs, joined"]), rel=0.01)
