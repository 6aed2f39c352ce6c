"""Every refusal as a problem document (RFC 9457), so that whoever reads it knows what to change.

Its sentence ends up in the provider's debugger and in the access log: it never quotes a body, a
header or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse


class Problem(Exception):
    """A refusal: `kind` is its stable name, `detail` a sentence for a person."""

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer that the caller gets."""
        body = {
            "type": f"urn:pax:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


def forged(detail: str) -> Problem:
    """The refusal of what is not proved to come from the provider."""
    return Problem(403, "not-verified", detail)


def unavailable(kind: str, detail: str) -> Problem:
    """The refusal of what may succeed when it is sent again."""
    return Problem(503, kind, detail, {"Retry-After": "5"})
