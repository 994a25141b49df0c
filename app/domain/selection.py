"""Selection: a part of a text that someone has seen there, and wants replaced."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.domain.free_json import Text
from app.errors import SelectionChangedError

PLACE_LIMIT = 2**53 - 1
"""The largest integer that every reader of JSON keeps (RFC 8259 §6), far beyond any text."""

Place = Annotated[int, Field(ge=0, le=PLACE_LIMIT)]


class SelectionRange(BaseModel):
    """Places between the code points of a text, counted from 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Place
    """The first code point that is selected."""
    end: Place
    """The first one that is not any more."""

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end < self.start:
            raise ValueError("must not end before it starts")
        return self


class Selection(BaseModel):
    """What was selected, and where; empty text marks the place of an insertion."""

    model_config = ConfigDict(frozen=True)

    selection_range: SelectionRange
    selected_text: Text

    def replaced(self, content: str, replacement: str) -> str:
        """The text with the selected part replaced.

        Not a code point of either text is changed: no line ends, no combined characters.

        Raises:
            SelectionChangedError: what lies there is not what was selected.
        """
        start, end = self.selection_range.start, self.selection_range.end
        if end > len(content) or content[start:end] != self.selected_text:
            raise SelectionChangedError(content)
        return content[:start] + replacement + content[end:]
