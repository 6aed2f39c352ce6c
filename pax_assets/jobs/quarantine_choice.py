"""Which quarantined objects are worth reading again.

Asked of the ledger and not of the quarantine: a replay that was killed may have emptied the one
before the other was told, and its objects must be found again.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.lake import tables
from pax_assets.messages.message import CHANNELS
from pax_assets.messages.options import ParseOptions
from pax_assets.messages.version import parser_version

# What may be fetched is no part of the parsers' version: these are always worth another try.
NOT_FETCHED = "content_not_fetched"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which quarantined objects are read again; what is empty restricts nothing.

    Objects that are named by `paths` are read again whatever parser read them last.
    """

    channels: Sequence[str] = CHANNELS
    codes: Collection[str] = ()
    days: Collection[str] = ()
    paths: Collection[str] = ()


def due_objects(lake: str, options: ParseOptions, chosen: Chosen) -> list[str]:
    """Return the `raw_uri`s of the objects that a replay would read again now."""
    return [
        entry["raw_uri"]
        for channel in chosen.channels
        for entries in due(lake, channel, options, chosen).values()
        for entry in entries
    ]


def due(
    lake: str, channel: str, options: ParseOptions, chosen: Chosen
) -> dict[str, list[dict[str, Any]]]:
    """Return the ledger's entries of a channel's objects to be read again, by day.

    Asked of the ledger, which changes last: a killed run may have emptied the quarantine.
    """
    parser = parser_version(options)
    of_channel = pc.field("channel") == channel
    for column, values in (("arrival_day", chosen.days), ("path", chosen.paths)):
        if values:
            of_channel &= pc.field(column).isin(pa.array(sorted(values), pa.string()))
    entries = tables.read(lake, "ledger", filter=of_channel).to_pylist()
    codes = _codes(lake, channel, {entry["arrival_day"] for entry in entries})
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        held = codes.get(entry["raw_uri"], Counter())
        interrupted = held.total() != entry["quarantined"]
        wanted = not chosen.codes or bool(held.keys() & set(chosen.codes))
        stale = (entry["parser"] or "") != parser or NOT_FETCHED in held or bool(chosen.paths)
        if interrupted or (entry["quarantined"] and wanted and stale):
            found.setdefault(entry["arrival_day"], []).append(entry)
    return found


def _codes(lake: str, channel: str, days: Collection[str]) -> dict[str, Counter[str]]:
    """Return the codes of quarantined records by object."""
    of_days = (pc.field("channel") == channel) & pc.field("arrival_day").isin(
        pa.array(sorted(days), pa.string())
    )
    rows = tables.read(lake, "quarantine", ["raw_uri", "code"], of_days)
    found: dict[str, Counter[str]] = {}
    for row in rows.group_by(["raw_uri", "code"]).aggregate([([], "count_all")]).to_pylist():
        found.setdefault(row["raw_uri"], Counter())[row["code"]] = row["count_all"]
    return found
