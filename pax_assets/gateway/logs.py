"""The gateway's log: one JSON object a line, and nothing of what people wrote.

A server's usual access log holds the address with its query, where providers put tokens; a
traceback ends with the exception's message, which may quote a body. Here neither is written.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One line a record: time, level, event, and the fields in the record's `pax`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the message of an exception."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "pax", {}))
        if record.exc_info and record.exc_info[1]:
            line["cause"] = describe(record.exc_info[1])
        return json.dumps(line)


def describe(error: BaseException) -> str:
    """Return an error's type and where it happened; for the system's errors also which."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    what = type(error).__name__
    if isinstance(error, OSError) and error.strerror and error.errno:
        what += f" ({error.strerror})"
    return f"{what} at {where}"


def configure() -> None:
    """Send this process's log, the server's too, to standard output in this form."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    for name in ("pax.gateway", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
