"""The gateway's settings: which providers are on, and errors that quote no secret."""

import pytest

from pax_assets.gateway.settings import load_gateway_settings
from pax_assets.settings import Settings, SettingsError
from pax_assets_tests.gateway import signed_requests as signed


def test_the_defaults_are_local_and_every_provider_is_off(monkeypatch) -> None:
    for name in signed.SETTINGS:
        monkeypatch.delenv(name)
    settings = load_gateway_settings()
    assert (settings.gateway_host, settings.gateway_port) == ("127.0.0.1", 3002)
    assert settings.twilio_auth_token is settings.whatsapp_app_secret is None
    assert settings.sns_topics == {}


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_secret_is_no_secret(blank, monkeypatch) -> None:
    monkeypatch.setenv("PAX_TWILIO_AUTH_TOKEN", blank)
    assert load_gateway_settings().twilio_auth_token is None


def test_a_secret_from_a_file_loses_its_line_break(monkeypatch) -> None:
    monkeypatch.setenv("PAX_TWILIO_AUTH_TOKEN", "token\n")
    assert load_gateway_settings().twilio_auth_token.get_secret_value() == "token"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAX_GATEWAY_PORT", "0"),
        ("PAX_GATEWAY_URL", "hooks.example.com"),
        ("PAX_GATEWAY_URL", "https://user:pass@hooks.example.com"),
        ("PAX_GATEWAY_URL", "https://hooks.example.com/?a=b"),
        ("PAX_GATEWAY_URL", "https://["),
        ("PAX_GATEWAY_URL", "https://hooks.example.com:70000"),
        ("PAX_GATEWAY_BATCH_MS", "5000"),
        ("PAX_SNS_TOPICS", signed.SMS_TOPIC),
        ("PAX_SNS_TOPICS", f"fax={signed.SMS_TOPIC}"),
        ("PAX_SNS_TOPICS", "sms=arn:aws:s3:::bucket"),
        ("PAX_SNS_TOPICS", "sms=arn:aws:sns:eu-west-1:123456789012:*"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable, value, monkeypatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load_gateway_settings()


@pytest.mark.parametrize("missing", ["PAX_GATEWAY_URL", "PAX_WHATSAPP_APP_SECRET"])
def test_what_a_provider_needs_besides_is_named(missing, monkeypatch) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(SettingsError, match=missing):
        load_gateway_settings()


def test_no_error_and_no_picture_of_the_settings_shows_a_secret(monkeypatch) -> None:
    secrets = (signed.AUTH_TOKEN, signed.APP_SECRET, signed.VERIFY_TOKEN)
    assert not any(secret in repr(load_gateway_settings()) for secret in secrets)
    monkeypatch.setenv("PAX_GATEWAY_PORT", "many")
    monkeypatch.delenv("PAX_GATEWAY_URL")
    with pytest.raises(SettingsError) as error:
        load_gateway_settings()
    assert not any(secret in str(error.value) for secret in secrets)


def test_the_code_location_knows_no_secret() -> None:
    assert not {name for name in Settings.model_fields if "secret" in name or "token" in name}
