"""The gateway's settings, apart from PAX's own because they hold secrets.

The code location reads `pax_assets.settings` and shows what it reads; the providers' secrets
belong to the one process that verifies signatures, and to no other.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pax_assets.messages.message import CHANNELS, Channel
from pax_assets.settings import SettingsError

_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


class GatewaySettings(BaseSettings):
    """All settings of the gateway. Field `gateway_port` is read from `PAX_GATEWAY_PORT`, and so on.

    A provider is on where its secret (for SNS: its topics) is set.
    """

    model_config = SettingsConfigDict(
        env_prefix="PAX_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=3002, ge=1, le=65535)
    # As the provider calls it: https://hooks.example.com, with a port or a path if it has one.
    gateway_url: str | None = None
    # The largest webhook is Meta's, 3 MB.
    gateway_max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    # Deliveries that wait for landing at the same time; one more is answered with 429.
    gateway_max_waiting: int = Field(default=1024, ge=1, le=100_000)
    # Deliveries that arrive within this time share an object.
    gateway_batch_ms: int = Field(default=100, ge=0, le=1000)
    twilio_auth_token: SecretStr | None = None
    whatsapp_app_secret: SecretStr | None = None
    whatsapp_verify_token: SecretStr | None = None
    # `<channel>=<TopicArn>`, separated by commas.
    sns_topics: Annotated[dict[str, Channel], NoDecode] = Field(default_factory=dict)

    @field_validator(
        "twilio_auth_token", "whatsapp_app_secret", "whatsapp_verify_token", mode="before"
    )
    @classmethod
    def _without_space(cls, value: object) -> object:
        # Secrets mounted from files end in a line break.
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("gateway_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be http(s)://<host>[:<port>][/<path>], as the provider calls it")
        if parts.port == 0 or parts.query or parts.fragment:
            raise ValueError("must end before the query, and have a port that can be called")
        return value.rstrip("/")

    @field_validator("sns_topics", mode="before")
    @classmethod
    def _topics(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        topics: dict[str, str] = {}
        for entry in filter(None, (part.strip() for part in value.split(","))):
            channel, _, arn = (part.strip() for part in entry.partition("="))
            if channel not in CHANNELS or not _TOPIC_ARN.fullmatch(arn):
                raise ValueError(
                    f"{entry!r} is not <channel>=<TopicArn>, such as "
                    "sms=arn:aws:sns:us-east-1:123456789012:inbound; "
                    f"channels are {', '.join(CHANNELS)}"
                )
            topics[arn] = channel
        return topics

    @model_validator(mode="after")
    def _complete(self) -> GatewaySettings:
        if self.twilio_auth_token and not self.gateway_url:
            raise ValueError(
                "PAX_GATEWAY_URL is not set, and Twilio signs the address that it calls: "
                "set it to that address without the path /twilio"
            )
        if self.whatsapp_verify_token and not self.whatsapp_app_secret:
            raise ValueError(
                "PAX_WHATSAPP_APP_SECRET is not set: without it no delivery can be verified"
            )
        return self


def load_gateway_settings() -> GatewaySettings:
    """Read the environment; raise `SettingsError` with one line for each wrong variable.

    The lines name the variables and quote no secret.
    """
    try:
        return GatewaySettings()
    except ValidationError as error:
        lines = [
            f"PAX_{str(e['loc'][0]).upper()}: {e['msg']}" if e["loc"] else str(e["msg"])
            for e in error.errors(include_input=False, include_context=False, include_url=False)
        ]
        raise SettingsError("the gateway cannot start:\n  " + "\n  ".join(lines)) from None
