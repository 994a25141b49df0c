"""Names in a JSON tree: which ids can be folders, and which would lead out of it."""

_LIMIT_BYTES = 255  # of a name, on nearly every file system


def why_no_folder(name: str) -> str | None:
    """Why an id cannot be the name of a folder below another; None where it can."""
    if any(one in name for one in "/\\:\0"):
        return "holds a separator"
    if not name or name.startswith("."):
        return "is empty or begins with a dot"
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "is no text in UTF-8"
    return "is too long" if len(encoded) > _LIMIT_BYTES else None
