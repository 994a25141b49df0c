"""Where a project may go from where it is in its life, and what a change leaves of it."""

from typing import Any

import pytest

from app.domain.project import Project, ProjectStatus
from app.errors import CorruptDocumentError, InvalidInputError, StatusTransitionError
from tests.factories import ADA
from tests.fake_clock import START, instant

ALLOWED = {
    ("draft", "in_progress"),
    ("draft", "archived"),
    ("in_progress", "completed"),
    ("in_progress", "archived"),
    ("completed", "in_progress"),
    ("completed", "archived"),
    ("archived", "in_progress"),
}


def make_project(**members: Any) -> Project:
    return Project(id="p", user_id=ADA, created_at=START, updated_at=START, **members)


@pytest.mark.parametrize("before", ProjectStatus)
@pytest.mark.parametrize("after", ProjectStatus)
def test_a_status_follows_only_those_it_may(before: ProjectStatus, after: ProjectStatus) -> None:
    project = make_project(status=before)

    if before == after:
        assert project.changed({"status": after}, instant(1)) is project
    elif (before.value, after.value) in ALLOWED:
        assert project.changed({"status": after}, instant(1)).status is after
    else:
        with pytest.raises(StatusTransitionError):
            project.changed({"status": after}, instant(1))


def test_a_change_dates_the_project_and_never_back() -> None:
    project = make_project(title="first")

    later = project.changed({"title": "second"}, instant(5))
    assert (later.title, later.updated_at, later.created_at) == ("second", instant(5), START)
    assert later.changed({"title": "third"}, instant(1)).updated_at == instant(5)


def test_a_truth_is_no_number_in_settings() -> None:
    project = make_project(settings={"n": 1})

    assert project.changed({"settings": {"n": True}}, instant(1)).settings == {"n": True}
    assert project.changed({"settings": {"n": 1}}, instant(1)) is project


def test_null_removes_and_settings_are_merged() -> None:
    project = make_project(title="t", settings={"a": 1, "b": {"c": 2, "d": 3}})

    changed = project.changed(
        {"title": None, "settings": {"a": None, "b": {"c": 4}, "e": 5}}, instant(1)
    )

    assert changed.title is None
    assert changed.settings == {"b": {"c": 4, "d": 3}, "e": 5}


def test_a_change_that_breaks_a_rule_names_the_member() -> None:
    with pytest.raises(InvalidInputError) as refused:
        make_project().changed({"title": "x" * 1001}, instant(1))

    assert [fault.pointer for fault in refused.value.faults] == ["/title"]


def test_a_project_comes_back_from_its_document_with_what_a_later_version_wrote() -> None:
    project = Project.model_validate({**dict(make_project(intent="do it")), "later": [1]})
    first = project.new_document()

    second = project.changed({"title": "new"}, instant(1)).next_document(first)

    assert Project.from_document(first) == project
    assert Project.from_document(second).model_extra == {"later": [1]}
    assert second.version.revision == 2


def test_a_document_of_something_else_is_no_project() -> None:
    document = make_project().new_document().changed({"id": "p"})

    with pytest.raises(CorruptDocumentError, match="project"):
        Project.from_document(document)
