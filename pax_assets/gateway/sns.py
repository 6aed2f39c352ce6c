"""Amazon SNS over HTTPS: two-way SMS, mail from SES, and the handshakes of a subscription.

Anybody with an AWS account can have SNS sign a message and send it here, so a signature alone
proves nothing: the topic, which is signed, must be one of ours. Fields that the signature does
not cover are left out of what lands, for whoever replays a captured message can write them.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from pax_assets.gateway.aws_requests import is_sns_address
from pax_assets.gateway.delivery import JSON, Delivery
from pax_assets.gateway.problems import forged
from pax_assets.gateway.sns_certificates import Certificates
from pax_assets.messages.email import ses
from pax_assets.messages.message import Channel
from pax_assets.messages.sms import aws_sms

_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED_KEYS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_SIGNATURE_KEYS = ("SignatureVersion", "Signature", "SigningCertURL")
_HASHES = {"1": SHA1, "2": SHA256}


class Sns:
    """Verifies what SNS sends for the topics of `topics` (TopicArn to channel)."""

    def __init__(self, topics: Mapping[str, Channel], certificates: Certificates) -> None:
        self._topics = dict(topics)
        self._certificates = certificates

    async def verify(self, body: bytes) -> Delivery:
        """Return the delivery that `body` is; raise `Problem` where it is not for one of us.

        A confirmation of a subscription has the address to call in `confirm`.
        """
        envelope = _envelope(body)
        channel = self._topics.get(envelope["TopicArn"])
        if channel is None:
            raise forged("TopicArn is not one of PAX_SNS_TOPICS")
        await self._check_signature(envelope)
        kind = envelope["Type"]
        if kind == "Notification":
            channel = _channel(envelope["Message"], channel)
        confirm = _confirm_address(envelope) if kind == "SubscriptionConfirmation" else None
        # SNS sends its envelope indented; one line lets it share an object.
        line = json.dumps(envelope, separators=(",", ":")).encode()
        return Delivery(channel, JSON, line, confirm=confirm)

    async def _check_signature(self, envelope: Mapping[str, str]) -> None:
        algorithm = _HASHES.get(envelope["SignatureVersion"])
        if algorithm is None:
            raise forged("SignatureVersion is neither 1 nor 2")
        key = await self._certificates.key(envelope["SigningCertURL"])
        try:
            given = b64decode(envelope["Signature"], validate=True)
            key.verify(given, string_to_sign(envelope), PKCS1v15(), algorithm())
        except (InvalidSignature, ValueError):
            raise forged("Signature does not fit the message") from None


def string_to_sign(envelope: Mapping[str, str]) -> bytes:
    """Return the bytes that SNS signs: name and value of the signed fields, each on its line.

    Source: Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages".
    """
    names = [name for name in SIGNED_KEYS[envelope["Type"]] if name in envelope]
    lines = "".join(f"{name}\n{envelope[name]}\n" for name in names)
    return lines.encode("utf-8", "surrogatepass")


def _envelope(body: bytes) -> dict[str, str]:
    """Return the signed fields and the signature's own, and no others."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise forged("the body is not an envelope of SNS (raw delivery has no signature)") from None
    kind = value.get("Type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in SIGNED_KEYS:
        raise forged("the body is not an envelope of SNS (raw delivery has no signature)")
    envelope = {}
    for name in (*SIGNED_KEYS[kind], *_SIGNATURE_KEYS):
        if name == "Subject" and value.get(name) is None:
            continue
        field = value.get(name)
        # Fields are signed end to end: with a line break in a second one, the border between
        # two of them could be moved without touching the signature.
        if not isinstance(field, str) or (name != "Message" and "\n" in field):
            raise forged(f"the envelope has no usable {name}")
        envelope[name] = field
    return envelope


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _channel(message: str, configured: Channel) -> Channel:
    """Return the channel that a notification's own form shows, else that of its topic."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return configured
    if not isinstance(value, dict):
        return configured
    if ses.is_notification(value):
        return "email"
    return "sms" if aws_sms.is_payload(value) else configured


def _confirm_address(envelope: Mapping[str, str]) -> str:
    url = envelope["SubscribeURL"]
    parts = urlsplit(url) if is_sns_address(url) else None
    query = parse_qs(parts.query) if parts is not None else {}
    if query.get("Action") != ["ConfirmSubscription"] or query.get("TopicArn") != [
        envelope["TopicArn"]
    ]:
        raise forged("SubscribeURL does not confirm this topic at sns.<region>.amazonaws.com")
    return url
