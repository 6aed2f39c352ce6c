"""Meta's WhatsApp Cloud API webhooks: the handshake, and the signature over the raw bytes.

The body is not looked at before its signature fits, and not changed after: Meta signs bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from pax_assets.gateway.delivery import JSON, Delivery, has_line_break
from pax_assets.gateway.problems import forged

_PREFIX = b"sha256="


class WhatsApp:
    """Verifies what Meta sends. Without a verify token the handshake is refused."""

    def __init__(self, app_secret: str, verify_token: str | None) -> None:
        self._secret = app_secret.encode()
        self._verify_token = verify_token.encode() if verify_token else None

    def challenge(self, query: Mapping[str, str]) -> str:
        """Return what the handshake must be answered with; raise `Problem` for a stranger's."""
        given = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        known = self._verify_token is not None and hmac.compare_digest(given, self._verify_token)
        if not known or query.get("hub.mode") != "subscribe":
            raise forged("hub.verify_token is not PAX_WHATSAPP_VERIFY_TOKEN")
        return query.get("hub.challenge", "")

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return the delivery that `body` is; raise `Problem` where Meta did not sign it."""
        given = headers.get("x-hub-signature-256", "").encode("latin-1")
        if not given:
            raise forged("there is no X-Hub-Signature-256")
        expected = _PREFIX + hmac.new(self._secret, body, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(expected, given):
            raise forged("X-Hub-Signature-256 does not fit: check PAX_WHATSAPP_APP_SECRET")
        return Delivery("whatsapp", JSON, body, alone=not _is_a_line(body))


def _is_a_line(body: bytes) -> bool:
    """Whether `body` is one JSON object on one line: what else it is must not touch its like."""
    if has_line_break(body):
        return False
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False
