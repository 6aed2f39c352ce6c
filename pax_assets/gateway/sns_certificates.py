"""The keys that SNS signs with, fetched once and kept for a day.

A certificate is asked for in the middle of a delivery, so it must not be asked for with each; and
whoever sends deliveries names it, so neither its number nor its failures may cost anything.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from pax_assets.gateway.aws_requests import Fetch, RefusedByAws, is_sns_address
from pax_assets.gateway.problems import forged, unavailable

_PATH = re.compile(r"/[A-Za-z0-9_-]{1,128}\.pem")
_KEPT_SECONDS = 24 * 3600.0
_MAX_KEPT = 16
_MIN_KEY_BITS = 2048
# Callers of one unknown certificate wait for the one request; the others are sent away.
_MAX_WAITING = 64


class Certificates:
    """SNS's public keys by the address of their certificate."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[str, tuple[float, RSAPublicKey]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def key(self, url: str) -> RSAPublicKey:
        """Return the key of the certificate at `url`.

        Raises `Problem`: 403 where the address or the certificate is not SNS's, 503 where it
        cannot be had now.
        """
        parts = urlsplit(url) if is_sns_address(url) else None
        if parts is None or parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
            raise forged("SigningCertURL is not a certificate of sns.<region>.amazonaws.com")
        if (known := self._known(url)) is not None:
            return known
        if self._waiting >= _MAX_WAITING:
            raise unavailable("certificate-unavailable", "too many wait for a certificate of SNS")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                if (known := self._known(url)) is not None:
                    return known
                return self._keep(url, await self._fetched(url))
        finally:
            self._waiting -= 1

    async def _fetched(self, url: str) -> RSAPublicKey:
        try:
            return _public_key(await self._fetch(url))
        except RefusedByAws:
            raise forged("SNS has no certificate at SigningCertURL") from None
        except (OSError, TimeoutError):
            raise unavailable(
                "certificate-unavailable",
                "the certificate at SigningCertURL cannot be fetched: the gateway needs https to "
                "sns.<region>.amazonaws.com",
            ) from None

    def _known(self, url: str) -> RSAPublicKey | None:
        since, key = self._kept.get(url, (0.0, None))
        return key if time.monotonic() - since < _KEPT_SECONDS else None

    def _keep(self, url: str, key: RSAPublicKey) -> RSAPublicKey:
        self._kept[url] = (time.monotonic(), key)
        self._kept.move_to_end(url)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return key


def _public_key(pem: bytes) -> RSAPublicKey:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - whatever the library raises: these bytes are no certificate
        raise forged("what lies at SigningCertURL is not a certificate") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise forged("the certificate at SigningCertURL has no RSA key of 2048 bits or more")
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        raise forged("the certificate at SigningCertURL is not valid today")
    return key
