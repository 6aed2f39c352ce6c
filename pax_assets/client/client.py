"""Asks the service, and says by its errors who has to act when that fails.

The demo, the deployment's checks and people's scripts all ask the same questions; each with its
own HTTP code would each read errors differently. Only the standard library: whoever has the
package can ask.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from pax_assets.client.answers import Answer, answer_of
from pax_assets.client.errors import RequestRefused, ServiceFailed, ServiceUnreachable

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Client:
    """Talks to the service at `url`, such as `http://127.0.0.1:3001`.

    `timeout` (seconds) bounds each wait for the network. Every call raises `RequestRefused`,
    `ServiceFailed` or `ServiceUnreachable`, all of them `ClientError`.
    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a service: it must be http(s)://host:port")
        self._url = url.rstrip("/")
        self._timeout = timeout
        # A proxy for the outside world must not get what is meant for this machine.
        self._opener = (
            build_opener(ProxyHandler({})) if parts.hostname in _LOOPBACK else build_opener()
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._opener.close()

    def analyze(self, texts: Sequence[str], ids: Sequence[str] | None = None) -> Answer:
        """Analyse 1 to 256 texts. `ids`, one a text, come back as the results' `message_id`."""
        if isinstance(texts, str):
            raise TypeError("texts must be a list of strings: analyze([text])")
        if ids is None:
            messages: list[dict[str, str]] = [{"text": text} for text in texts]
        else:
            messages = [{"id": i, "text": t} for i, t in zip(ids, texts, strict=True)]
        try:
            answer = answer_of(self._call("POST", "/v1/analyze", {"messages": messages}))
        except (KeyError, TypeError) as error:
            raise ServiceFailed(
                f"{self._url} answered in a shape that this client does not know ({error!r}): is "
                "it the PAX service, of this version?"
            ) from error
        if len(answer.results) != len(messages):
            raise ServiceFailed(
                f"{self._url} answered {len(messages)} texts with {len(answer.results)} results"
            )
        return answer

    def lineage(self) -> dict[str, Any]:
        """Where the served model comes from; holds `model_version`, `variant` and `bento`."""
        return self._call("GET", "/v1/lineage")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = Request(  # noqa: S310 - the scheme is checked in __init__
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode("ascii"),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer = json.loads(response.read())
        except HTTPError as error:
            raise _error_of(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceUnreachable(f"no answer from {self._url}: {reason}") from error
        except ValueError as error:
            raise ServiceFailed(f"{self._url}{path} did not answer with JSON") from error
        if not isinstance(answer, dict):
            raise ServiceFailed(f"{self._url}{path} did not answer with a JSON object")
        return answer


def _error_of(error: HTTPError) -> RequestRefused | ServiceFailed:
    try:
        problem = json.loads(error.read())
        detail, errors = str(problem["detail"]), problem.get("errors", [])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        detail, errors = str(error.reason), []
    if 400 <= error.code < 500:
        return RequestRefused(error.code, detail, errors)
    return ServiceFailed(f"{error.code}: {detail}")
