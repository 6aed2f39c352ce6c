"""`python -m pax_assets.gateway`: the gateway on `PAX_GATEWAY_HOST` and `PAX_GATEWAY_PORT`.

It says which providers are on, and stops on SIGTERM after everybody who was taken in got an
answer.
"""

from __future__ import annotations

import logging
import sys

import uvicorn

from pax_assets.gateway import logs
from pax_assets.gateway.app import create_app
from pax_assets.gateway.landing_writer import open_landing
from pax_assets.gateway.settings import load_gateway_settings
from pax_assets.settings import SettingsError, load_settings

_DRAIN_SECONDS = 20
# Longer than load balancers keep a connection (60 s), or they send into one that is closing.
_KEEP_ALIVE_SECONDS = 75


def main() -> None:
    """Run until stopped; exit with a sentence where a setting is wrong."""
    try:
        settings = load_gateway_settings()
        landing = open_landing(load_settings().landing_root)
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure()
    if not (settings.twilio_auth_token or settings.whatsapp_app_secret or settings.sns_topics):
        logging.getLogger("pax.gateway").warning(
            "no provider is on: set PAX_TWILIO_AUTH_TOKEN and PAX_GATEWAY_URL, "
            "PAX_WHATSAPP_APP_SECRET, or PAX_SNS_TOPICS"
        )
    uvicorn.run(
        create_app(settings, landing),
        host=settings.gateway_host,
        port=settings.gateway_port,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


if __name__ == "__main__":
    main()
