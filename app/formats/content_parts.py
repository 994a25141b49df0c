"""Content that is a list of parts: what of it is text."""

from collections.abc import Sequence
from typing import Any, cast


def text_of(parts: Sequence[Any]) -> str:
    """The texts among the parts, with blank lines between them.

    A part is text itself, or an object with `text`, which may hold it as `value`.
    """
    texts = (_text_of_part(part) for part in parts)
    return "\n\n".join(text for text in texts if text is not None)


def _text_of_part(part: Any) -> str | None:
    if isinstance(part, dict):
        part = cast("dict[str, Any]", part).get("text")
        if isinstance(part, dict):
            part = cast("dict[str, Any]", part).get("value")
    return part if isinstance(part, str) else None
