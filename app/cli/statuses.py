"""Exit statuses: what the end of a command tells programs, and which error is which."""

from app.errors import AppError, ConfigurationError, InvalidInputError

DONE = 0
FINDINGS = 1
USAGE = 2
FAILURE = 3


def exit_status_of(error: AppError) -> int:
    """2 for what the caller can set right in the command or the settings, else 3."""
    return USAGE if isinstance(error, ConfigurationError | InvalidInputError) else FAILURE
