"""ARCHITECTURE.md and the tree agree, and every module says in one line what it is for."""

from tests.house import drawn_house, house_on_the_map


def test_the_map_shows_the_house_as_it_stands() -> None:
    assert house_on_the_map() == drawn_house(), "python -m tests.house draws it anew"


def test_every_module_has_its_reason_in_one_line() -> None:
    without = [
        line for line in drawn_house().splitlines() if line.startswith(" ") and line[-1] == " "
    ]

    assert without == []
