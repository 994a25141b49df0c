"""The README's table tells of every setting, and of none that does not exist."""

import re
from pathlib import Path

from app.settings import Settings

README = Path(__file__).resolve().parents[1] / "README.md"
ROW = re.compile(r"^\| `?(CHATFOLD_[A-Z0-9_]+)`? *\|([^|]*)\| *([^|]*[^| ]) *\|$", re.MULTILINE)
"""`| CHATFOLD_X | default | meaning |`; a meaning is never empty."""


def test_every_setting_has_its_row_in_the_readme() -> None:
    documented = [name for name, _, _ in ROW.findall(README.read_text(encoding="utf-8"))]

    assert sorted(documented) == sorted(
        f"CHATFOLD_{name.upper()}" for name in Settings.model_fields
    )
