"""Logs: JSON lines on standard error, each with the id of the request that it belongs to."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
"""The id of the request being answered, for whoever logs on its behalf."""

_OWN_NAMES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JSONFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, request_id, what came with it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id.get(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _OWN_NAMES)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Escaped to ASCII, so that nothing a caller sends can break the line or the terminal.
        return json.dumps(
            {name: value for name, value in line.items() if value is not None}, default=str
        )


def logging_configuration(level: str) -> dict[str, Any]:
    """What `logging.config.dictConfig` wants; uvicorn applies it in each of its processes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JSONFormatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "json",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        # uvicorn's own handlers go, and what it says comes up to the root.
        "loggers": {
            name: {"handlers": [], "propagate": True}
            for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
        }
        # What they tell of each request to the assistant is of use to those who mend them only.
        | {name: {"level": "WARNING"} for name in ("httpx", "httpcore")},
    }
