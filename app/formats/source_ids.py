"""Ids as sources write them: what of it can be an id of ours."""

from collections.abc import Mapping
from typing import Any

from app.domain.folding import Reason
from app.domain.identity import checked_id
from app.formats.faults import FaultError


def id_in(document: Mapping[str, Any], name: str) -> str | None:
    """An id as it came, an integer as decimal text, None where there is none.

    Raises:
        FaultError: it can be no id.
    """
    value = document.get(name)
    if value is None or value == "":
        return None
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str) and not is_integer:
        raise FaultError(Reason.INVALID_ID, f"The {name} is neither text nor an integer.")
    try:
        return checked_id(str(value))
    except ValueError as error:
        raise FaultError(Reason.INVALID_ID, f"The {name} {error}.") from None
