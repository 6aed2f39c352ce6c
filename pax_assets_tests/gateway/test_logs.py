"""A line of the log says what failed and where, and not what the failure's message quotes."""

import json
import logging
import sys

from pax_assets.gateway.logs import JsonLines

PRIVATE = "a person's text"
FULL = OSError(28, "No space left on device", PRIVATE)


def _fail(error: Exception) -> None:
    raise error


def _line(error: Exception) -> dict:
    try:
        _fail(error)
    except type(error):
        record = logging.LogRecord(
            "uvicorn.error", logging.ERROR, "", 0, "failed in %s", ("ASGI",), sys.exc_info()
        )
    text = JsonLines().format(record)
    assert PRIVATE not in text
    assert "\n" not in text
    return json.loads(text)


def test_an_exception_is_its_type_and_its_place() -> None:
    line = _line(ValueError(PRIVATE))
    assert (line["level"], line["event"]) == ("error", "failed in ASGI")
    assert line["cause"].startswith("ValueError at ")
    assert "test_logs.py" in line["cause"]


def test_an_error_of_the_system_says_which() -> None:
    assert "No space left on device" in _line(FULL)["cause"]
