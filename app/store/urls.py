"""URLs of stores as they may be shown: in logs, reports and errors."""


def shown_url(url: str) -> str:
    """The URL without its password, and without its options, which may hold secrets too."""
    scheme, mark, rest = url.partition("://")
    if scheme in {"sqlite", "memory"}:
        return url
    if not mark:
        scheme, rest = "", url
    # From the last @ on, whatever is wrong with the password before it.
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{mark}{user}{':***' if colon else ''}{at}{place.partition('?')[0]}"
