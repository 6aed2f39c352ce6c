"""How a call can fail, by who has to act: the caller, the service's operator, or the network.

A client that raises the HTTP library's errors makes every caller parse status codes again, and
binds them to that library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ClientError(RuntimeError):
    """Any failure of a call."""


class ServiceUnreachable(ClientError):
    """Nobody answered at the address in time."""


class RequestRefused(ClientError):
    """The service refused the request (4xx) and would again: change it.

    `status` is the HTTP status, `errors` the fields at fault as `{"field", "problem"}`.
    """

    def __init__(self, status: int, detail: str, errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.errors = list(errors)


class ServiceFailed(ClientError):
    """The service failed (5xx) or answered with what is not its contract."""
