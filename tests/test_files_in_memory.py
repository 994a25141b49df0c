"""A run that was killed leaves its files in memory, until the next one finds them."""

import os
from pathlib import Path

from tests.files_in_memory import locked_folder, remove_left_behind


def test_folders_of_runs_that_are_gone_are_removed_and_others_stay(tmp_path: Path) -> None:
    gone, lock = locked_folder(tmp_path)
    (gone / "data").write_text("of a run that was killed")
    at_work, lock_of_one_at_work = locked_folder(tmp_path)
    (tmp_path / "chatfold").mkdir()
    os.close(lock)

    remove_left_behind(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([at_work, tmp_path / "chatfold"])
    os.close(lock_of_one_at_work)
