"""SNS's signature in both versions, whose topics are ours, and what the gateway asks SNS for."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pax_assets.gateway.aws_requests import RefusedByAws
from pax_assets.gateway.problems import Problem
from pax_assets.gateway.sns import string_to_sign
from pax_assets.gateway.sns_certificates import Certificates
from pax_assets.messages import parse
from pax_assets.messages.message import ChannelEvent
from pax_assets_tests.gateway import signed_requests as signed


def _post(gateway, envelope):
    body, headers = signed.sns(envelope)
    return gateway.post("/sns", content=body, headers=headers)


def test_the_string_to_sign_is_that_of_the_developer_guide() -> None:
    # Amazon SNS developer guide, "Verifying the signatures of Amazon SNS messages", its example.
    envelope = {
        "Type": "Notification",
        "Message": "My Test Message",
        "MessageId": "4d4dc071-ddbf-465d-bba8-08f81c89da64",
        "Subject": "My subject",
        "Timestamp": "2019-01-31T04:37:04.321Z",
        "TopicArn": "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P",
    }
    assert string_to_sign(envelope).decode() == (
        "Message\nMy Test Message\n"
        "MessageId\n4d4dc071-ddbf-465d-bba8-08f81c89da64\n"
        "Subject\nMy subject\n"
        "Timestamp\n2019-01-31T04:37:04.321Z\n"
        "TopicArn\narn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P\n"
        "Type\nNotification\n"
    )


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "About nine"])
def test_a_signed_sms_lands_on_one_line(version, subject, gateway, landed) -> None:
    envelope = signed.sns_notification(signed.aws_sms(text="Grüße\n\U0001f600"), subject=subject)
    assert _post(gateway, signed.sns_sign(envelope, version)).status_code == 200
    (path,) = landed.objects("sms")
    assert b"\n" not in path.read_bytes()
    (message,) = landed.messages()
    assert message.text == "Grüße\n\U0001f600"
    kept = json.loads(path.read_bytes())
    assert kept | envelope == kept


def test_mail_lands_as_mail_whatever_the_topic_is_for(gateway, landed) -> None:
    for number, topic in enumerate((signed.MAIL_TOPIC, signed.SMS_TOPIC)):
        envelope = signed.sns_notification(signed.ses_notice(), topic, number=number)
        assert _post(gateway, signed.sns_sign(envelope)).status_code == 200
    assert {path.parts[-3] for path in landed.objects()} == {"email"}
    assert {message.channel for message in landed.messages()} == {"email"}


def _tampered():
    good = signed.sns_sign(signed.sns_notification(signed.aws_sms()))
    yield "another text", good | {"Message": json.dumps(signed.aws_sms(text="!"))}
    yield "another id", good | {"MessageId": "0"}
    yield "another time", good | {"Timestamp": "2030-01-01T00:00:00.000Z"}
    yield "a subject added", good | {"Subject": "Hi"}
    yield "another of our topics", good | {"TopicArn": signed.MAIL_TOPIC}
    yield "another type", good | signed.sns_handshake() | {"Message": good["Message"]}
    yield "the other version", good | {"SignatureVersion": "1"}
    yield "an unknown version", good | {"SignatureVersion": "3"}
    yield "no signature", good | {"Signature": ""}
    yield "no base64", good | {"Signature": "*" * 344}
    yield "a short signature", good | {"Signature": base64.b64encode(b"x").decode()}
    yield "a number for a text", good | {"Message": 7}
    yield (
        "signed by somebody else",
        signed.sns_sign(signed.sns_notification(signed.aws_sms()), name="stranger"),
    )
    yield (
        "a topic that is not ours",
        signed.sns_sign(
            signed.sns_notification(
                signed.aws_sms(), "arn:aws:sns:eu-west-1:999999999999:inbound-sms"
            )
        ),
    )
    yield "no type", {name: value for name, value in good.items() if name != "Type"} | {"Type": ""}
    shifted = good["Message"] + "\nMessageId\n" + good["MessageId"]
    yield "a border moved", good | {"Message": good["Message"][:5], "MessageId": shifted[5:]}


@pytest.mark.parametrize("envelope", [pytest.param(e, id=name) for name, e in _tampered()])
def test_whatever_is_not_signed_for_us_lands_nowhere(envelope, gateway, landed) -> None:
    assert _post(gateway, envelope).status_code == 403
    assert landed.objects() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"7", b"{" * 50_000, b"\xff", b'{"Type":"Notification"}',
     b'{"Type":["Notification"]}', json.dumps(signed.aws_sms()).encode()],
)  # fmt: skip
def test_what_is_no_envelope_is_refused(body, gateway, landed) -> None:
    answer = gateway.post("/sns", content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 403
    assert landed.objects() == []


def test_a_border_between_signed_fields_cannot_be_moved(gateway, landed) -> None:
    """Text of a sender that looks like SNS's fields, and a replay that takes it for such."""
    inner = signed.sns_notification(signed.aws_sms(text="Send money"))["Message"]
    message = inner + "\nMessageId\nforged"
    envelope = signed.sns_sign(signed.sns_notification(message))
    moved = envelope | {
        "Message": inner,
        "MessageId": "forged\nMessageId\n" + envelope["MessageId"],
    }
    keys = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    texts = ["".join(f"{key}\n{e[key]}\n" for key in keys) for e in (envelope, moved)]
    assert texts[0] == texts[1]
    assert _post(gateway, moved).status_code == 403


def test_fields_that_nobody_signed_do_not_land(gateway, landed) -> None:
    envelope = signed.sns_sign(signed.sns_notification(signed.aws_sms()))
    forged = {"object": "whatsapp_business_account", "sid": "SM1", "messages": [{"text": "!"}]}
    assert _post(gateway, envelope | forged).status_code == 200
    (line,) = landed.lines("sms")
    assert set(json.loads(line)) == set(envelope)


def test_a_name_that_occurs_twice_is_refused(gateway, landed) -> None:
    body, headers = signed.sns(signed.sns_sign(signed.sns_notification(signed.aws_sms())))
    doubled = body.replace(b"{", b'{"Message": "x",', 1)
    assert gateway.post("/sns", content=doubled, headers=headers).status_code == 403
    assert landed.objects() == []


def test_a_subscription_to_our_topic_is_confirmed_after_it_landed(
    gateway, landed, fake_sns
) -> None:
    envelope = signed.sns_sign(signed.sns_handshake())
    assert _post(gateway, envelope).status_code == 200
    assert fake_sns.asked == [signed.CERTIFICATE_URL, envelope["SubscribeURL"]]
    (path,) = landed.objects("sms")
    (event,) = parse(path.read_bytes(), "sms", "x", received_at=datetime.now(UTC))
    assert isinstance(event, ChannelEvent)
    assert event.kind == "handshake"


def test_the_end_of_a_subscription_is_kept_and_not_undone(gateway, landed, fake_sns) -> None:
    envelope = signed.sns_sign(signed.sns_handshake("UnsubscribeConfirmation", signed.MAIL_TOPIC))
    assert _post(gateway, envelope).status_code == 200
    assert fake_sns.asked == [signed.CERTIFICATE_URL]
    assert len(landed.objects("email")) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn=" + signed.SMS_TOPIC,
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=other",
    ],
)
def test_only_sns_is_asked_to_confirm_and_only_our_topic(url, gateway, landed, fake_sns) -> None:
    envelope = signed.sns_sign(signed.sns_handshake() | {"SubscribeURL": url})
    assert _post(gateway, envelope).status_code == 403
    assert fake_sns.asked == [signed.CERTIFICATE_URL]
    assert landed.objects() == []


def test_a_strangers_topic_is_neither_confirmed_nor_its_certificate_fetched(
    gateway, fake_sns
) -> None:
    topic = "arn:aws:sns:eu-west-1:999999999999:theirs"
    assert _post(gateway, signed.sns_sign(signed.sns_handshake(topic=topic))).status_code == 403
    assert fake_sns.asked == []


@pytest.mark.parametrize("error", [RefusedByAws("500"), ConnectionError(), TimeoutError()])
def test_a_confirmation_that_fails_is_asked_for_again(error, gateway, fake_sns) -> None:
    fake_sns.default = error
    answer = _post(gateway, signed.sns_sign(signed.sns_handshake()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example#sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://sns.eu-west-1.amazonaws.com:444/a.pem",
        "https://bucket.s3.eu-west-1.amazonaws.com/a.pem",
        "https://sns.evil.amazonaws.com/a.pem",
        "https://sns-eu-west-1.amazonaws.com/a.pem",
        "http://sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/?Action=x.pem",
        "https://sns.eu-west-1.amazonaws.com/../a.pem",
        "https://sns.eu-west-1.amazonaws.com/a.pem\r\nX: y",
        "https://sns.eu-west-1.amazonaws.com\\@evil.example/a.pem",
        "",
    ],
)
def test_a_certificate_from_anywhere_else_is_never_asked_for(url, gateway, fake_sns) -> None:
    envelope = signed.sns_sign(signed.sns_notification(signed.aws_sms()))
    assert _post(gateway, envelope | {"SigningCertURL": url}).status_code == 403
    assert fake_sns.asked == []


def test_the_certificates_of_china_are_sns_too(gateway, fake_sns) -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"
    fake_sns.answers[url] = signed.certificate()
    envelope = signed.sns_sign(signed.sns_notification(signed.aws_sms()))
    assert _post(gateway, envelope | {"SigningCertURL": url}).status_code == 200


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (signed.certificate(valid_from=timedelta(days=-9)), 403),
        (signed.certificate(valid_from=timedelta(days=9)), 403),
        (signed.certificate(key=rsa.generate_private_key(65537, 1024)), 403),
        (signed.certificate(key=ec.generate_private_key(ec.SECP256R1())), 403),
        (b"<html>", 403),
        (b"", 403),
        (RefusedByAws("404"), 403),
        (ConnectionError("down"), 503),
        (TimeoutError(), 503),
    ],
)
def test_a_certificate_that_is_no_good_lets_nothing_in(
    answer, code, gateway, landed, fake_sns
) -> None:
    fake_sns.answers[signed.CERTIFICATE_URL] = answer
    envelope = signed.sns_sign(signed.sns_notification(signed.aws_sms()))
    assert _post(gateway, envelope).status_code == code
    assert landed.objects() == []


def test_a_certificate_is_fetched_once_for_many_and_asked_for_again_after_a_failure() -> None:
    asked = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        await asyncio.sleep(0.01)
        if len(asked) == 1:
            raise ConnectionError
        return signed.certificate()

    async def run() -> None:
        certificates = Certificates(fetch)
        with pytest.raises(Problem):
            await certificates.key(signed.CERTIFICATE_URL)
        keys = await asyncio.gather(*(certificates.key(signed.CERTIFICATE_URL) for _ in range(20)))
        assert len({id(key) for key in keys}) == 1

    asyncio.run(run())
    assert len(asked) == 2


def test_no_more_certificates_are_kept_than_a_few() -> None:
    async def fetch(url: str) -> bytes:
        return signed.certificate()

    async def run() -> Certificates:
        certificates = Certificates(fetch)
        for number in range(40):
            await certificates.key(f"https://sns.eu-west-1.amazonaws.com/{number}.pem")
        return certificates

    assert len(asyncio.run(run())._kept) <= 16
