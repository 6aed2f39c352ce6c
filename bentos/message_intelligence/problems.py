"""Errors as problem documents (RFC 9457), so that a caller reads what to change.

Frameworks answer a wrong request with their own shapes, or with a 500 and a stack trace. Here
every refusal is one `Problem`, with a status, a sentence and, for a body, the fields at fault.
A problem never quotes the text of a message: its sentence may end up in somebody's log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal, in RFC 9457's word: `kind` is its stable name, `detail` a sentence for a person.

    `errors` lists the fields at fault as `{"field", "problem"}`; `headers` go with the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer that a caller gets."""
        body: dict[str, object] = {
            "type": f"urn:pax:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return JSONResponse(body, self.status, self.headers, media_type=MEDIA_TYPE)
