"""What a provider's verifier hands on: bytes that are proved to be the provider's.

Between verification and landing nothing else of a request is needed, so nothing else of it
(headers, addresses, unsigned fields) can find its way into the lake.
"""

from __future__ import annotations

from dataclasses import dataclass

from pax_assets.messages.message import Channel

FORM = "form"
JSON = "jsonl"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified webhook.

    `extension` names the form of `data` (`FORM`: an urlencoded form; `JSON`); deliveries of one
    channel and extension may share an object, one a line, unless `alone`. `confirm` is the
    address that confirms an SNS subscription, to be called once `data` has landed.
    """

    channel: Channel
    extension: str
    data: bytes
    alone: bool = False
    confirm: str | None = None


def has_line_break(data: bytes) -> bool:
    """Whether `data` would be more than one line of a shared object."""
    return b"\n" in data or b"\r" in data
