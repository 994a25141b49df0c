"""Flat sessions move into projects on disk, byte for byte, and never out of their tree."""

from pathlib import Path

import pytest

from migrations.nesting import nest_tree
from tests.migrations.trees import meta, said, write_session


def files_below(root: Path) -> dict[str, bytes]:
    """Every file by its place."""
    return {
        str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


def test_sessions_move_to_the_project_of_their_metadata_or_to_the_given_one(
    tmp_path: Path,
) -> None:
    write_session(tmp_path / "chat_sessions/s1", b"[torn", meta(project_id="p1"))
    write_session(tmp_path / "chat_sessions/s2", [said("a", "x")], b"\xff damaged")
    (tmp_path / "chat_sessions/s2/notes.txt").write_text("kept too")
    write_session(tmp_path / "projects/p0/chat_sessions/s0", [], meta())
    before = files_below(tmp_path)

    report = nest_tree(tmp_path, project="p9")

    assert files_below(tmp_path) == {
        name.replace("chat_sessions/s1", "projects/p1/chat_sessions/s1").replace(
            "chat_sessions/s2", "projects/p9/chat_sessions/s2"
        ): content
        for name, content in before.items()
    }
    assert report.sessions == {"moved": 2, "nested already": 1, "left alone": 0}
    assert nest_tree(tmp_path, project="p9").sessions["moved"] == 0


def test_a_dry_run_moves_nothing(tmp_path: Path) -> None:
    write_session(tmp_path / "chat_sessions/s1", [], meta(project_id="p1"))
    before = files_below(tmp_path)

    report = nest_tree(tmp_path, project=None, is_dry=True)

    assert files_below(tmp_path) == before
    assert not (tmp_path / "projects").exists()
    assert report.sessions["moved"] == 1


@pytest.mark.parametrize(
    ("project", "why"),
    [
        ("../../outside", "The id of its project holds a separator."),
        ("..", "The id of its project is empty or begins with a dot."),
        ("/etc", "The id of its project holds a separator."),
        ("a\\b", "The id of its project holds a separator."),
        ("x" * 300, "The id of its project is too long."),
        (None, "Its metadata names no project; name one with --project."),
        (7, "Its metadata names no project; name one with --project."),
    ],
)
def test_a_project_that_would_lead_out_is_refused(
    project: object, why: str, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    write_session(root / "chat_sessions/s1", [], meta(project_id=project))
    write_session(root / "chat_sessions/s2", [], meta(project_id="p"))
    before = files_below(tmp_path)

    report = nest_tree(root, project=None)

    moved = {name.replace("chat_sessions/s2", "projects/p/chat_sessions/s2") for name in before}
    assert set(files_below(tmp_path)) == moved
    assert report.refused == [{"session": "s1", "why": why}]
    assert report.has_findings


def test_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "tree", tmp_path / "outside"
    write_session(outside / "s", [], meta(project_id="p"))
    write_session(root / "chat_sessions/s1", [], meta(project_id="linked"))
    (root / "chat_sessions/s2").symlink_to(outside / "s")
    (root / "projects").mkdir()
    (root / "projects/linked").symlink_to(outside)
    before = files_below(tmp_path)

    report = nest_tree(root, project="p")

    assert files_below(tmp_path) == before
    assert [one["why"] for one in report.refused] == [
        "Its project's folder is a link that leads out of the tree.",
        "The folder is a link, or lies behind one.",
    ]


def test_a_session_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    write_session(tmp_path / "chat_sessions/s1", [said("a", "flat")], meta(project_id="p"))
    write_session(tmp_path / "projects/p/chat_sessions/s1", [said("a", "nested")], meta())
    before = files_below(tmp_path)

    report = nest_tree(tmp_path, project=None)

    assert files_below(tmp_path) == before
    assert report.refused == [{"session": "s1", "why": "Its project has a session of that id."}]
    assert "left alone: session 's1': Its project has" in report.to_text()
