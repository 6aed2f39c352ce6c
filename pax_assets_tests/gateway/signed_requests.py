"""Webhooks as the providers would send them, signed with secrets of the tests' own.

The signatures are computed here by the providers' documented rules, not by the gateway's code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

AUTH_TOKEN = "twilio-secret-for-tests"
APP_SECRET = "meta-secret-for-tests"
VERIFY_TOKEN = "verify-token-for-tests"
PUBLIC_URL = "https://hooks.example.com"
SMS_TOPIC = "arn:aws:sns:eu-west-1:123456789012:inbound-sms"
MAIL_TOPIC = "arn:aws:sns:eu-west-1:123456789012:inbound-mail"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"

SETTINGS = {
    "PAX_GATEWAY_URL": PUBLIC_URL,
    "PAX_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "PAX_WHATSAPP_APP_SECRET": APP_SECRET,
    "PAX_WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
    "PAX_SNS_TOPICS": f"sms={SMS_TOPIC}, email={MAIL_TOPIC}",
}


def sms_form(number: int = 1, text: str = "See you at nine") -> dict[str, str]:
    sid = f"SM{number:032x}"
    return {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": "AC" + "0" * 32,
        "From": "+14155550123",
        "To": "+14155550199",
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
    }


def twilio_signature(url: str, form: dict[str, str], token: str = AUTH_TOKEN) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    mac = hmac.new(token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def twilio(
    form: dict[str, str], target: str = "/twilio", token: str = AUTH_TOKEN
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form that Twilio posts to `target`."""
    return urlencode(form).encode(), {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": twilio_signature(PUBLIC_URL + target, form, token),
    }


def whatsapp_payload(number: int = 1, text: str = "See you at nine") -> dict:
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "102290129340398",
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "14155550199",
                                "phone_number_id": "106540352242922",
                            },
                            "contacts": [{"profile": {"name": "Ada"}, "wa_id": "14155550123"}],
                            "messages": [
                                {
                                    "from": "14155550123",
                                    "id": f"wamid.{number:08d}",
                                    "timestamp": "1767225600",
                                    "type": "text",
                                    "text": {"body": text},
                                }
                            ],
                        },
                    }
                ],
            }
        ],
    }


def whatsapp(payload: dict | bytes, secret: str = APP_SECRET) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a payload that Meta posts."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    mac = hmac.new(secret.encode(), body, hashlib.sha256)
    return body, {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": "sha256=" + mac.hexdigest(),
    }


@cache
def sns_key(name: str = "sns") -> rsa.RSAPrivateKey:
    """Return a key of the tests' own; SNS's private keys are SNS's."""
    return rsa.generate_private_key(65537, 2048)


def certificate(
    name: str = "sns", *, valid_from: timedelta = -timedelta(days=1), key: object = None
) -> bytes:
    """Return a certificate (PEM) of `sns_key(name)`, valid for two days from `valid_from`."""
    private = key or sns_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begin = datetime.now(UTC) + valid_from
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=2))
        .sign(private, SHA256())
        .public_bytes(Encoding.PEM)
    )


_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def sns_sign(envelope: dict[str, str], version: str = "2", name: str = "sns") -> dict[str, str]:
    """Return `envelope` with a signature over what SNS's guide says is signed."""
    keys = _NOTIFICATION if envelope["Type"] == "Notification" else _HANDSHAKE
    text = "".join(f"{key}\n{envelope[key]}\n" for key in keys if key in envelope)
    digest = SHA1() if version == "1" else SHA256()
    raw = sns_key(name).sign(text.encode(), padding.PKCS1v15(), digest)
    return envelope | {
        "SignatureVersion": version,
        "Signature": base64.b64encode(raw).decode(),
        "SigningCertURL": CERTIFICATE_URL,
    }


def sns_notification(
    message: dict | str, topic: str = SMS_TOPIC, subject: str | None = None, number: int = 1
) -> dict[str, str]:
    envelope = {
        "Type": "Notification",
        "MessageId": f"22b80b92-fdea-4c2c-8f9d-{number:012d}",
        "TopicArn": topic,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-01-05T09:00:00.123Z",
    }
    return envelope if subject is None else envelope | {"Subject": subject}


def sns_handshake(kind: str = "SubscriptionConfirmation", topic: str = SMS_TOPIC) -> dict[str, str]:
    return {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": topic,
        "Message": "You have chosen to subscribe.\nTo confirm, visit the SubscribeURL.",
        "SubscribeURL": (
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
            f"&TopicArn={quote(topic)}&Token=2336412f37"
        ),
        "Timestamp": "2026-01-05T09:00:00.123Z",
    }


def sns(envelope: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a signed envelope as SNS posts it: indented, as text."""
    return json.dumps(envelope, indent=2).encode(), {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": envelope["Type"],
    }


def aws_sms(number: int = 1, text: str = "See you at nine") -> dict[str, str]:
    return {
        "originationNumber": "+14155550123",
        "destinationNumber": "+14155550199",
        "messageKeyword": "KEYWORD",
        "messageBody": text,
        "inboundMessageId": f"cae173d2-66b9-564c-8309-{number:012d}",
    }


def ses_notice() -> dict:
    headers = "Message-ID: <a@example.com>\r\nFrom: a@example.com\r\nTo: b@example.org\r\n"
    return {
        "notificationType": "Received",
        "receipt": {
            "timestamp": "2026-01-05T09:00:00.000Z",
            "recipients": ["b@example.org"],
            "action": {"type": "SNS", "topicArn": MAIL_TOPIC, "encoding": "UTF8"},
        },
        "mail": {
            "timestamp": "2026-01-05T09:00:00.000Z",
            "source": "a@example.com",
            "messageId": "ses-1",
            "destination": ["b@example.org"],
            "commonHeaders": {"messageId": "<a@example.com>", "from": ["a@example.com"]},
        },
        "content": headers + "\r\nHello\r\n",
    }
