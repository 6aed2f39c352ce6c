"""The two requests that the gateway makes itself: to Amazon SNS, and to nobody else.

Both addresses come in a stranger's request: the signing certificate's and the one that confirms a
subscription. Only an address of SNS itself is asked, over verified TLS, without following a
redirect, for a bounded time and size; anything more and a forged webhook could make the gateway
call whatever it can reach.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

Fetch = Callable[[str], Awaitable[bytes]]

TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 * 1024
_MAX_ADDRESS = 2048
_ADDRESS = re.compile(
    r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d{1,2}\.amazonaws\.com(?:\.cn)?(?:/[!-\[\]-~]*)?"
)


class RefusedByAws(Exception):
    """SNS answered, and not with 200."""


def is_sns_address(url: str) -> bool:
    """Whether `url` is https, on `sns.<region>.amazonaws.com` (or .cn), without port or user."""
    return len(url) <= _MAX_ADDRESS and _ADDRESS.fullmatch(url) is not None


def get(url: str, connect: Callable[..., HTTPConnection] = HTTPSConnection) -> bytes:
    """Return what SNS answers to a GET of `url`, at most `MAX_ANSWER_BYTES`.

    Raises `ValueError` for an address that is not SNS's, `RefusedByAws` for any answer but 200
    and for one that is too long, and `OSError` where there is no answer.
    """
    if not is_sns_address(url):
        raise ValueError("not an address of SNS")
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    connection = connect(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", target, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER_BYTES + 1)
    except HTTPException as error:
        raise ConnectionError(type(error).__name__) from None
    finally:
        connection.close()
    if answer.status != 200 or len(body) > MAX_ANSWER_BYTES:
        raise RefusedByAws(f"SNS answered {answer.status} with {len(body)} bytes")
    return body
