"""The gateway over HTTP: refusals and limits, what happens when landing fails, logs and metrics."""

import asyncio
import json
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from pax_assets.gateway import logs
from pax_assets.gateway.app import create_app
from pax_assets.gateway.intake import Intake
from pax_assets.gateway.landing_writer import DirectoryLanding
from pax_assets.gateway.settings import load_gateway_settings
from pax_assets_tests.gateway import signed_requests as signed

SMS = signed.twilio(signed.sms_form())
WHATSAPP = signed.whatsapp(signed.whatsapp_payload())
NOTIFICATION = signed.sns(signed.sns_sign(signed.sns_notification(signed.aws_sms())))
ALL = {"/twilio": SMS, "/whatsapp": WHATSAPP, "/sns": NOTIFICATION}
every_provider = pytest.mark.parametrize("path", ALL)


def _post(gateway, path, **change):
    body, headers = ALL[path]
    return gateway.post(path, content=change.get("body", body), headers=headers)


@every_provider
def test_a_signed_delivery_is_answered_with_200(path, gateway, landed) -> None:
    assert _post(gateway, path).status_code == 200
    assert len(landed.messages()) == 1


@every_provider
def test_a_duplicate_is_answered_with_200_and_is_one_message(path, gateway, landed) -> None:
    assert {_post(gateway, path).status_code for _ in range(3)} == {200}
    assert len({message.message_id for message in landed.messages()}) == 1


@every_provider
def test_the_same_delivery_many_times_at_once_is_one_message(path, gateway, landed) -> None:
    with ThreadPoolExecutor(16) as threads:
        codes = list(threads.map(lambda _: _post(gateway, path).status_code, range(48)))
    assert codes == [200] * 48
    messages = landed.messages()
    assert len(messages) == 48
    assert len({message.message_id for message in messages}) == 1
    assert len(landed.objects()) < 48


def test_messages_of_one_second_from_one_sender_stay_apart(gateway, landed) -> None:
    requests = [signed.twilio(signed.sms_form(number, "ok")) for number in range(40)]
    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(
            lambda r: gateway.post("/twilio", content=r[0], headers=r[1]).status_code, requests
        )
    assert set(answers) == {200}
    assert len({message.message_id for message in landed.messages()}) == 40


@pytest.mark.parametrize(
    ("path", "variables"),
    [
        ("/twilio", ["PAX_TWILIO_AUTH_TOKEN"]),
        ("/whatsapp", ["PAX_WHATSAPP_APP_SECRET", "PAX_WHATSAPP_VERIFY_TOKEN"]),
        ("/sns", ["PAX_SNS_TOPICS"]),
    ],
)
def test_a_provider_without_its_secret_is_off(path, variables, start, landed, monkeypatch) -> None:
    for name in variables:
        monkeypatch.delenv(name)
    gateway = start()
    assert _post(gateway, path).status_code == 404
    others = {other: _post(gateway, other).status_code for other in ALL if other != path}
    assert set(others.values()) == {200}


def test_what_is_signed_with_an_empty_secret_is_refused(start, monkeypatch) -> None:
    for name in ("PAX_TWILIO_AUTH_TOKEN", "PAX_WHATSAPP_APP_SECRET"):
        monkeypatch.setenv(name, " ")
    monkeypatch.delenv("PAX_WHATSAPP_VERIFY_TOKEN")
    gateway = start()
    body, headers = signed.whatsapp(signed.whatsapp_payload(), secret="")
    assert gateway.post("/whatsapp", content=body, headers=headers).status_code == 404
    body, headers = signed.twilio(signed.sms_form(), token="")
    assert gateway.post("/twilio", content=body, headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "code", "allow"),
    [
        ("GET", "/twilio", 405, "POST"),
        ("PUT", "/sns", 405, "POST"),
        ("DELETE", "/whatsapp", 405, "GET, POST"),
        ("POST", "/metrics", 405, "GET"),
        ("GET", "/", 404, None),
        ("POST", "/twilio/", 404, None),
        ("GET", "/../etc/passwd", 404, None),
    ],
)
def test_other_methods_and_paths_are_refused(method, path, code, allow, gateway) -> None:
    answer = gateway.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (code, allow)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == code


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/twilio", {"Content-Type": "multipart/form-data; boundary=x"}),
        ("/twilio", {"Content-Type": ""}),
        ("/whatsapp", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/sns", {"Content-Type": "application/octet-stream"}),
        ("/whatsapp", {"Content-Encoding": "gzip"}),
    ],
)
def test_other_media_types_are_refused(path, headers, gateway) -> None:
    body, signed_headers = ALL[path]
    answer = gateway.post(path, content=body, headers=signed_headers | headers)
    assert answer.status_code == 415


@every_provider
def test_a_body_above_the_limit_is_refused(path, start, landed, monkeypatch) -> None:
    monkeypatch.setenv("PAX_GATEWAY_MAX_BODY_BYTES", "2048")
    gateway = start()
    assert _post(gateway, path, body=b"x" * 2049).status_code == 413
    assert _post(gateway, path, body=b"x" * 100_000).status_code == 413
    assert _post(gateway, path).status_code == 200


@every_provider
def test_more_than_may_wait_are_sent_away_and_can_come_again(path, start, monkeypatch) -> None:
    monkeypatch.setenv("PAX_GATEWAY_MAX_WAITING", "3")
    monkeypatch.setenv("PAX_GATEWAY_BATCH_MS", "300")
    gateway = start()
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: _post(gateway, path), range(12)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert _post(gateway, path).status_code == 200


def _full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


@every_provider
def test_a_full_disk_acknowledges_nothing(path, gateway, landed, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        answer = _post(gateway, path)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert landed.objects() == []
    assert _post(gateway, path).status_code == 200
    assert len(landed.messages()) == 1


def test_a_landing_that_is_no_folder_acknowledges_nothing_and_is_not_ready(start, tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    gateway = start(tmp_path / "file")
    assert {_post(gateway, path).status_code for path in ALL} == {503}
    assert gateway.get("/readyz").status_code == 503
    assert gateway.get("/livez").status_code == 200


def test_readiness_is_asked_of_landing_at_most_every_few_seconds(
    gateway, landed, monkeypatch
) -> None:
    assert gateway.get("/readyz").status_code == 200
    monkeypatch.setattr(DirectoryLanding, "probe", lambda _: pytest.fail("probed again"))
    assert {gateway.get("/readyz").status_code for _ in range(5)} == {200}
    assert list(landed.root.iterdir()) == []


def test_a_defect_is_answered_with_500_and_lands_nothing(gateway, monkeypatch) -> None:
    monkeypatch.setattr(Intake, "body", lambda *_: 1 / 0)
    answer = _post(gateway, "/twilio")
    assert answer.status_code == 500
    assert "division" not in answer.text


def test_a_client_that_goes_away_in_the_middle_lands_nothing(landed, fake_sns) -> None:
    body, headers = SMS
    app = create_app(load_gateway_settings(), DirectoryLanding(landed.root), fetch=fake_sns)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/twilio",
        "raw_path": b"/twilio",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    parts = [
        {"type": "http.request", "body": body[:50], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message) -> None:
        sent.append(message)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)

    asyncio.run(run())
    assert sent == []
    assert landed.objects() == []
    assert b'code="499",provider="twilio"' in app.state.gateway.metrics.exposition()


@pytest.fixture
def log_lines():
    """What the gateway writes to its log, in the form in which it writes it."""
    lines = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logs.JsonLines().format(record))

    logger = logging.getLogger("pax.gateway")
    handler, level = Kept(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


PRIVATE = "Grüße-from-a-person"


def test_neither_log_nor_metrics_nor_answers_show_a_text_a_query_or_a_secret(
    gateway, log_lines, monkeypatch
) -> None:
    target = "/twilio?token=in-the-query"
    body, headers = signed.twilio(signed.sms_form(text=PRIVATE), target)
    answers = [gateway.post(target, content=body, headers=headers)]
    answers.append(gateway.post("/twilio", content=body, headers=headers))
    params = {"hub.mode": "subscribe", "hub.verify_token": signed.VERIFY_TOKEN + "in-the-query"}
    answers.append(gateway.get("/whatsapp", params=params))
    answers.append(gateway.get(f"/{PRIVATE}"))
    answers.append(gateway.post("/sns", content=PRIVATE, headers={"Content-Type": "text/plain"}))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        answers.append(gateway.post(target, content=body, headers=headers))

        def defect(*_: object) -> None:
            raise ValueError(PRIVATE + signed.AUTH_TOKEN)

        patch.setattr(Intake, "body", defect)
        answers.append(gateway.post(target, content=body, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 403, 403, 404, 403, 503, 500]
    seen = "\n".join([*log_lines, *(answer.text for answer in answers)])
    seen += gateway.get("/metrics").text
    secrets = (signed.AUTH_TOKEN, signed.APP_SECRET, signed.VERIFY_TOKEN)
    for private in (PRIVATE, "Gr\\u00fc", "in-the-query", "4155550123", *secrets):
        assert private not in seen
    assert "No space left on device" in seen


def test_every_request_is_one_line_of_json(gateway, log_lines) -> None:
    log_lines.clear()
    _post(gateway, "/twilio")
    gateway.post("/whatsapp", content=b"{}", headers={"Content-Type": "application/json"})
    gateway.get("/a%0Ab")
    lines = [json.loads(line) for line in log_lines]
    found = [(line["method"], line["path"], line["status"]) for line in lines]
    assert found == [("POST", "/twilio", 200), ("POST", "/whatsapp", 403), ("GET", "other", 404)]
    assert lines[0]["bytes"] == len(SMS[0])
    assert lines[1]["refusal"] == "not-verified"


def _metric(text: str, name: str) -> float:
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)


def test_metrics_count_requests_bytes_and_objects(gateway, landed) -> None:
    for _ in range(3):
        _post(gateway, "/twilio")
    _post(gateway, "/whatsapp", body=b"{}")
    for path in ("/a", "/b", "/c"):
        gateway.get(path)
    text = gateway.get("/metrics").text
    assert _metric(text, 'pax_gateway_requests_total{code="200",provider="twilio"}') == 3
    assert _metric(text, 'pax_gateway_requests_total{code="403",provider="whatsapp"}') == 1
    assert _metric(text, 'pax_gateway_requests_total{code="404",provider="none"}') == 3
    assert _metric(text, 'pax_gateway_landed_deliveries_total{channel="sms"}') == 3
    assert _metric(text, 'pax_gateway_landed_bytes_total{channel="sms"}') == 3 * len(SMS[0])
    assert _metric(text, "pax_gateway_landing_duration_seconds_count") == len(landed.objects())
    assert _metric(text, "pax_gateway_batch_deliveries_sum") == 3
    assert _metric(text, "pax_gateway_waiting_deliveries") == 0
    # Paths that strangers choose are no labels.
    assert "/a" not in text
