"""What a message is: the contract, its ids, and a parser for each provider's format.

Pure Python, without Dagster and Spark, so that the same code reads an object in a worker
process, inside a Spark task and in the webhook gateway.
"""

from pax_assets.messages.message import (
    CHANNELS,
    ChannelEvent,
    Message,
    Quarantined,
    Record,
    message_id,
)
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.parse import parse

__all__ = [
    "CHANNELS",
    "ChannelEvent",
    "Message",
    "ParseOptions",
    "Quarantined",
    "Record",
    "message_id",
    "parse",
]
