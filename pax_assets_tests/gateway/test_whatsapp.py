"""Meta's webhooks: the handshake, the signature over raw bytes, and what of a body is landed."""

import hashlib
import hmac
import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from pax_assets.gateway.whatsapp import WhatsApp
from pax_assets_tests.gateway import signed_requests as signed

HANDSHAKE = {
    "hub.mode": "subscribe",
    "hub.verify_token": signed.VERIFY_TOKEN,
    "hub.challenge": "1158201444",
}


def test_the_primitive_gives_the_published_value() -> None:
    published = "0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914"
    assert hmac.new(b"secret", b"test", hashlib.sha256).hexdigest() == published
    headers = {"x-hub-signature-256": f"sha256={published}"}
    assert WhatsApp("secret", None).verify(headers, b"test").data == b"test"


def test_the_handshake_is_answered_with_the_challenge(gateway) -> None:
    answer = gateway.get("/whatsapp", params=HANDSHAKE)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "change",
    [
        {"hub.verify_token": "guess"},
        {"hub.verify_token": ""},
        {"hub.verify_token": signed.VERIFY_TOKEN + "é"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": ""},
    ],
)
def test_a_strangers_handshake_is_refused(change, gateway) -> None:
    answer = gateway.get("/whatsapp", params=HANDSHAKE | change)
    assert answer.status_code == 403
    assert "1158201444" not in answer.text


def test_without_a_verify_token_no_handshake_succeeds(start, monkeypatch) -> None:
    monkeypatch.delenv("PAX_WHATSAPP_VERIFY_TOKEN")
    gateway = start()
    for token in ("", "None", signed.VERIFY_TOKEN):
        answer = gateway.get("/whatsapp", params=HANDSHAKE | {"hub.verify_token": token})
        assert answer.status_code == 403


def test_a_signed_payload_lands_byte_for_byte(gateway, landed) -> None:
    # Meta escapes what is not ASCII and signs the escapes: decoding and encoding would break them.
    body, headers = signed.whatsapp(signed.whatsapp_payload(text="Grüße"))
    assert b"\\u00fc" in body
    assert gateway.post("/whatsapp", content=body, headers=headers).status_code == 200
    (path,) = landed.objects("whatsapp")
    assert path.read_bytes() == body
    assert [message.text for message in landed.messages()] == ["Grüße"]


def _tampered():
    body, headers = signed.whatsapp(signed.whatsapp_payload())
    sign = headers["X-Hub-Signature-256"]
    yield "one byte more", body + b" ", headers
    yield "another text", body.replace(b"nine", b"five"), headers
    yield "no signature", body, headers | {"X-Hub-Signature-256": ""}
    yield "no prefix", body, headers | {"X-Hub-Signature-256": sign.removeprefix("sha256=")}
    yield (
        "the SHA-1 header's prefix",
        body,
        headers | {"X-Hub-Signature-256": sign.replace("sha256", "sha1")},
    )
    yield "another secret", *signed.whatsapp(signed.whatsapp_payload(), secret="guess")
    yield "an empty secret", *signed.whatsapp(signed.whatsapp_payload(), secret="")
    yield "signed for no body", body, signed.whatsapp(b"")[1]


@pytest.mark.parametrize(
    ("body", "headers"), [pytest.param(b, h, id=name) for name, b, h in _tampered()]
)
def test_whatever_is_not_signed_lands_nowhere(body, headers, gateway, landed) -> None:
    assert gateway.post("/whatsapp", content=body, headers=headers).status_code == 403
    assert landed.objects() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps(signed.whatsapp_payload(), indent=1).encode(), id="indented"),
        pytest.param(b'{"object": "whatsapp_business_account", "entry": [', id="truncated"),
        pytest.param(b"\xff\xfe\x00", id="not text"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="byte order mark"),
        pytest.param(b"[1,2]", id="not an object"),
        pytest.param(b'{"a":' * 100_000, id="deep"),
        pytest.param(b"{}\n{}", id="two lines"),
        pytest.param(urllib.parse.quote("{}").encode(), id="escaped"),
    ],
)
def test_a_signed_body_that_is_not_one_line_of_json_gets_an_object_of_its_own(
    body, gateway, landed
) -> None:
    body, headers = signed.whatsapp(body)
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(
            lambda _: gateway.post("/whatsapp", content=body, headers=headers).status_code, range(4)
        )
    assert set(answers) == {200}
    assert [path.read_bytes() for path in landed.objects("whatsapp")] == [body] * 4
