"""Twilio's webhooks: whether Twilio signed this request for this address.

Twilio's scheme signs the address and the decoded parameters, not the bytes, so the address must
be the one that Twilio called, which a server behind a proxy cannot see: it is a setting. Written
here instead of taken from Twilio's package, see docs/decisions/0008-webhook-gateway.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, urlsplit

from pax_assets.gateway.delivery import FORM, JSON, Delivery, has_line_break
from pax_assets.gateway.problems import Problem, forged
from pax_assets.messages.arrival import Arrival
from pax_assets.messages.sms.twilio_form import is_form
from pax_assets.messages.sms.twilio_rest import channel_of

# The content type matters: Twilio sends a plain-text answer to the person as a message.
EMPTY_ANSWER = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
ANSWER_TYPE = "text/xml"

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
_ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_PORTS = {"http": 80, "https": 443}
# Twilio sends some forty.
_MAX_PARAMETERS = 1000


def signature(
    secret: bytes,
    url: str,
    parameters: Iterable[tuple[str, str]] = (),
    algorithm: str = "HMAC_SHA1",
) -> bytes:
    """Return the base64 signature of a request, as twilio.com/docs/usage/security defines it.

    HMAC over the address followed by every name and value, sorted; a pair that occurs twice
    counts once. Raises `KeyError` for an algorithm other than HMAC_SHA1 and HMAC_SHA256.
    """
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    mac = hmac.new(secret, text.encode("utf-8", "surrogatepass"), _ALGORITHMS[algorithm])
    return b64encode(mac.digest())


def signed_addresses(public_url: str, target: str) -> tuple[str, str]:
    """Return the addresses that Twilio may have signed: without a port, and with it.

    `target` is path and query exactly as they came. Twilio's own libraries accept both, because
    its services differ in whether they sign the port.
    """
    parts = urlsplit(public_url)
    host = parts.netloc.removesuffix(f":{parts.port}")
    port = parts.port or _PORTS[parts.scheme]
    rest = parts.path + target
    return f"{parts.scheme}://{host}{rest}", f"{parts.scheme}://{host}:{port}{rest}"


class Twilio:
    """Verifies what Twilio sends: forms of SMS and WhatsApp, and JSON with `bodySHA256`."""

    def __init__(self, auth_token: str, public_url: str) -> None:
        self._secret = auth_token.encode()
        self._public_url = public_url

    def verify(
        self, target: str, headers: Mapping[str, str], media_type: str, body: bytes
    ) -> Delivery:
        """Return the delivery that `body` is; raise `Problem` where Twilio did not sign it.

        `target` is path and query as they came, `headers` have names in lower case.
        """
        given = headers.get("x-twilio-signature", "").encode("latin-1")
        if not given:
            raise forged("there is no X-Twilio-Signature")
        parameters = _parameters(body) if media_type == FORM_TYPE else []
        if media_type != FORM_TYPE:
            _require_body_hash(target, body)
        algorithm = _algorithm(headers.get("x-twilio-webhooks-signature-settings", ""))
        expected = [
            signature(self._secret, url, parameters, algorithm)
            for url in signed_addresses(self._public_url, target)
        ]
        if not any(hmac.compare_digest(one, given) for one in expected):
            raise forged(
                "X-Twilio-Signature does not fit: check PAX_TWILIO_AUTH_TOKEN, and that "
                "PAX_GATEWAY_URL is the address that Twilio calls"
            )
        if media_type == FORM_TYPE:
            return _of_form(body, parameters)
        return _of_json(body)


def _parameters(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        raise forged("the form cannot be decoded, so nothing shows that Twilio sent it") from None


def _algorithm(settings: str) -> str:
    """Return the algorithm that the header `key=…,algorithm=…` of shared keys names."""
    for part in settings.split(","):
        name, _, value = part.strip().partition("=")
        if name == "algorithm":
            if value not in _ALGORITHMS:
                raise forged("the request is signed with an algorithm that is not known here")
            return value
    return "HMAC_SHA1"


def _require_body_hash(target: str, body: bytes) -> None:
    """Raise unless the address, which is signed, carries the hash of the body, which is not."""
    hashes = parse_qs(target.partition("?")[2]).get("bodySHA256", [])
    actual = hashlib.sha256(body).hexdigest()
    if len(hashes) != 1 or not hmac.compare_digest(hashes[0].lower().encode(), actual.encode()):
        raise forged("bodySHA256 is missing from the address or does not fit the body")


def _of_form(body: bytes, parameters: list[tuple[str, str]]) -> Delivery:
    # A signature covers decoded values: a captured form could come again with its %0A as line
    # breaks, and the lines of a sender's text as forms of their own.
    if has_line_break(body) or not body:
        raise Problem(400, "not-a-form", "an urlencoded form is one line and not empty")
    named = dict(reversed(parameters))
    channel = channel_of(named.get("From"), named.get("To"), "sms")
    # What the parser does not take for a message's form must not decide for its like.
    alone = not is_form(body, Arrival(channel, datetime.now(UTC)))
    return Delivery(channel, FORM, body, alone)


def _of_json(body: bytes) -> Delivery:
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return Delivery("sms", JSON, body, alone=True)
    stated = [value.get(name) for name in ("From", "To", "from", "to")]
    addresses = [one for one in stated if isinstance(one, str)]
    channels = [channel_of(address, None, "sms") for address in addresses]
    channel = "whatsapp" if "whatsapp" in channels else "sms"
    return Delivery(channel, JSON, body, alone=has_line_break(body))
