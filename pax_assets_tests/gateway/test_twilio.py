"""Twilio's signature: the published example, every way to tamper, and Twilio's own validator."""

import hashlib
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from pax_assets.gateway.problems import Problem
from pax_assets.gateway.twilio import FORM_TYPE, JSON_TYPE, Twilio, signature, signed_addresses
from pax_assets_tests.gateway import signed_requests as signed

# twilio.com/docs/usage/security, "Validating requests"
DOCUMENTED_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
DOCUMENTED = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+12349013030",
    "Digits": "1234",
    "From": "+12349013030",
    "To": "+18005551212",
}
DOCUMENTED_SIGNATURE = b"0/KCTR6DLpKmkAf8muzZqo1nDgQ="


def test_the_documented_example_gives_the_documented_signature() -> None:
    assert signature(b"12345", DOCUMENTED_URL, DOCUMENTED.items()) == DOCUMENTED_SIGNATURE


def test_the_documented_example_is_accepted() -> None:
    provider = Twilio("12345", "https://mycompany.com")
    headers = {"x-twilio-signature": DOCUMENTED_SIGNATURE.decode()}
    body = urlencode(DOCUMENTED).encode()
    assert provider.verify("/myapp.php?foo=1&bar=2", headers, FORM_TYPE, body).data == body


@settings(max_examples=60, deadline=None)
@given(
    form=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))
    ),
    port=st.sampled_from(["", ":443", ":8443"]),
    algorithm=st.sampled_from(["HMAC_SHA1", "HMAC_SHA256"]),
)
def test_twilios_own_validator_agrees(form, port, algorithm) -> None:
    url = f"https://hooks.example.com{port}/twilio?a=b"
    theirs = RequestValidator("secret")
    ours = signature(b"secret", url, form.items(), algorithm)
    assert ours.decode() == theirs.compute_signature(url, form, algorithm)
    assert theirs.validate(url, form, ours.decode(), algorithm)
    body = urlencode(form).encode()
    headers = {
        "x-twilio-signature": ours.decode(),
        "x-twilio-webhooks-signature-settings": f"key=k,algorithm={algorithm}",
    }
    provider = Twilio("secret", f"https://hooks.example.com{port}")
    if body:
        assert provider.verify("/twilio?a=b", headers, FORM_TYPE, body).data == body


@pytest.mark.parametrize("signed_port", ["", ":443"])
@pytest.mark.parametrize("set_port", ["", ":443"])
def test_the_standard_port_may_be_signed_or_not(signed_port, set_port) -> None:
    addresses = signed_addresses(f"https://hooks.example.com{set_port}/pax", "/twilio")
    assert f"https://hooks.example.com{signed_port}/pax/twilio" in addresses


def test_a_signed_form_lands_untouched_and_is_answered_with_empty_twiml(gateway, landed) -> None:
    body, headers = signed.twilio(signed.sms_form(text="Grüße & 100 % = ? +1\nsecond line"))
    answer = gateway.post("/twilio", content=body, headers=headers)
    assert answer.status_code == 200
    # A plain-text answer would be sent to the person as a message.
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")
    assert [path.read_bytes() for path in landed.objects("sms")] == [body]
    (message,) = landed.messages()
    assert message.text == "Grüße & 100 % = ? +1\nsecond line"


def test_the_query_is_part_of_what_is_signed(gateway) -> None:
    body, headers = signed.twilio(signed.sms_form(), "/twilio?team=a%20b&x")
    assert gateway.post("/twilio?team=a%20b&x", content=body, headers=headers).status_code == 200
    for target in ("/twilio", "/twilio?team=a+b&x", "/twilio?x&team=a%20b", "/twilio?team=a%20b"):
        assert gateway.post(target, content=body, headers=headers).status_code == 403, target


def test_an_escape_in_the_path_is_signed_as_it_came(gateway) -> None:
    body, headers = signed.twilio(signed.sms_form(), "/twil%69o")
    assert gateway.post("/twil%69o", content=body, headers=headers).status_code == 200
    assert gateway.post("/twilio", content=body, headers=headers).status_code == 403


def _tampered():
    form = signed.sms_form()
    body, headers = signed.twilio(form)
    cut = headers["X-Twilio-Signature"][:-1]
    yield "another text", signed.twilio(form | {"Body": "!"})[0], headers
    yield "one more parameter", body + b"&MediaUrl0=http%3A%2F%2Fx", headers
    yield "one parameter less", body.replace(b"&NumMedia=0", b""), headers
    yield "a doubled parameter", body + b"&From=%2B10000000000", headers
    yield "no signature", body, headers | {"X-Twilio-Signature": ""}
    yield "another token", *signed.twilio(form, token="guess")
    yield "a cut signature", body, headers | {"X-Twilio-Signature": cut}
    yield "a signature beyond ASCII", body, headers | {"X-Twilio-Signature": "\xff"}
    yield (
        "an unknown algorithm",
        body,
        headers | {"X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=NONE"},
    )
    yield "invalid UTF-8", body + b"&a=%ff", headers
    yield "thousands of parameters", b"&".join([b"a=1"] * 5000), headers
    yield "for another path", *signed.twilio(form, "/whatsapp")
    yield (
        "for another host",
        body,
        headers
        | {"X-Twilio-Signature": signed.twilio_signature("https://evil.example/twilio", form)},
    )
    yield (
        "for plain http",
        body,
        headers
        | {"X-Twilio-Signature": signed.twilio_signature("http://hooks.example.com/twilio", form)},
    )


@pytest.mark.parametrize(
    ("body", "headers"), [pytest.param(b, h, id=name) for name, b, h in _tampered()]
)
def test_whatever_is_not_signed_lands_nowhere(body, headers, gateway, landed) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = gateway.post("/twilio", content=body, headers=raw)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert landed.objects() == []


def test_the_host_header_does_not_decide_the_address(gateway) -> None:
    form = signed.sms_form()
    body, headers = signed.twilio(form)
    headers |= {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Twilio-Signature": signed.twilio_signature("https://evil.example/twilio", form),
    }
    assert gateway.post("/twilio", content=body, headers=headers).status_code == 403


def test_a_replayed_delivery_is_taken_again_and_is_the_same_message(gateway, landed) -> None:
    body, headers = signed.twilio(signed.sms_form())
    codes = [gateway.post("/twilio", content=body, headers=headers).status_code for _ in range(3)]
    assert codes == [200, 200, 200]
    assert len({message.message_id for message in landed.messages()}) == 1


def test_the_lines_of_a_text_cannot_become_forms_of_their_own(gateway, landed) -> None:
    forged_form = urlencode(signed.sms_form(2, "Send money") | {"From": "+10000000000"})
    body, headers = signed.twilio(signed.sms_form(text=f"Hello\n{forged_form}"))
    # The signature covers decoded values, so it still fits after this.
    respelt = body.replace(b"%0A", b"\n")
    assert gateway.post("/twilio", content=respelt, headers=headers).status_code == 400
    assert gateway.post("/twilio", content=body, headers=headers).status_code == 200
    (message,) = landed.messages()
    assert message.sender == "+14155550123"


@pytest.mark.parametrize(
    ("sender", "recipient", "channel"),
    [
        ("+14155550123", "+14155550199", "sms"),
        ("whatsapp:+14155550123", "whatsapp:+14155550199", "whatsapp"),
        ("", "whatsapp:+14155550199", "whatsapp"),
        ("29290", "+14155550199", "sms"),
    ],
)
def test_the_addresses_say_the_channel(sender, recipient, channel, gateway, landed) -> None:
    body, headers = signed.twilio(signed.sms_form() | {"From": sender, "To": recipient})
    assert gateway.post("/twilio", content=body, headers=headers).status_code == 200
    (path,) = landed.objects()
    assert path.relative_to(landed.root).parts[0] == channel


JSON_BODY = json.dumps({"From": "whatsapp:+14155550123", "Body": "é"}).encode()


def _json_request(body: bytes, digest: str) -> tuple[str, dict[str, str]]:
    target = f"/twilio?bodySHA256={digest}"
    sign = signed.twilio_signature(signed.PUBLIC_URL + target, {})
    return target, {"x-twilio-signature": sign}


def test_a_json_body_is_verified_by_the_hash_in_the_signed_address() -> None:
    provider = Twilio(signed.AUTH_TOKEN, signed.PUBLIC_URL)
    target, headers = _json_request(JSON_BODY, hashlib.sha256(JSON_BODY).hexdigest())
    theirs = RequestValidator(signed.AUTH_TOKEN)
    assert theirs.validate(
        signed.PUBLIC_URL + target, JSON_BODY.decode(), headers["x-twilio-signature"]
    )
    delivery = provider.verify(target, headers, JSON_TYPE, JSON_BODY)
    assert (delivery.data, delivery.channel, delivery.alone) == (JSON_BODY, "whatsapp", False)
    with pytest.raises(Problem) as refused:
        provider.verify(target, headers, JSON_TYPE, JSON_BODY + b" ")
    assert refused.value.status == 403


@pytest.mark.parametrize("target", ["/twilio", "/twilio?bodySHA256=", "/twilio?bodySHA256=00"])
def test_a_json_body_without_its_hash_is_refused_though_the_address_is_signed(target) -> None:
    sign = signed.twilio_signature(signed.PUBLIC_URL + target, {})
    with pytest.raises(Problem) as refused:
        Twilio(signed.AUTH_TOKEN, signed.PUBLIC_URL).verify(
            target, {"x-twilio-signature": sign}, JSON_TYPE, JSON_BODY
        )
    assert refused.value.status == 403
