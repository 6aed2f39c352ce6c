"""Times, sums of money and addresses of messages as values, a row for each mention.

What is not understood has its row, too, with its text and no value: that something was said and
could not be read is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pax_assets.jobs.insights.kinds import is_mail, is_phone, is_sum, is_time
from pax_assets.jobs.insights.values.addresses import mail_value, phone_value
from pax_assets.jobs.insights.values.money import MoneyValue, money_value
from pax_assets.jobs.insights.values.times import TimeValue, time_value
from pax_assets.jobs.insights.values.zones import sender_zone

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What texts leave open: the default zone (IANA), the region (ISO 3166), the order of dates."""

    zone: str = "UTC"
    region: str = "US"
    date_order: str = ""

    def time(self, text: str, message: Mapping[str, Any]) -> tuple[TimeValue | None, str, str]:
        """Return a time's value, the zone that it was read in, and where that is from."""
        zone, origin = sender_zone(
            message["sender"],
            message["sent_at"],
            message["zone_assumed"],
            message["source_metadata"],
            self.zone,
        )
        return time_value(text, message["sent_at"], zone, self.date_order), zone, origin

    def money(self, text: str) -> MoneyValue | None:
        """Return what a sum is."""
        return money_value(text, self.region)


def value_rows(placed: Iterable[tuple[Row, Row]], reading: Reading) -> list[Row]:
    """Return the rows of `relationship_graph/values` for entities with their messages."""
    out = []
    for entity, message in placed:
        kind = entity["type"]
        row = {name: entity[name] for name in ("message_id", "entity_id", "type", "text", "start")}
        row |= {"end": entity["end"], "score": entity["score"], "sent_at": message["sent_at"]}
        row["arrival_day"] = entity["arrival_day"]
        if is_time(kind):
            found, zone, origin = reading.time(entity["text"], message)
            row |= {"kind": "time", "zone": zone, "zone_from": origin} | time_columns(found)
            row["assumed"] = found and found.assumed
        elif is_sum(kind):
            money = reading.money(entity["text"])
            row |= {"kind": "money"} | money_columns(money)
            row["assumed"] = money and money.assumed
        elif is_phone(kind):
            number = phone_value(entity["text"], reading.region) or entity["value"]
            row |= {"kind": "phone", "address": number}
        elif is_mail(kind):
            row |= {"kind": "mail", "address": mail_value(entity["text"]) or entity["value"]}
        else:
            continue
        out.append(row)
    return out


def time_columns(found: TimeValue | None) -> Row:
    """Return a time's columns; null for None."""
    return {
        "starts_at": found and found.start,
        "ends_at": found and found.end,
        "precision": found and found.precision,
        "bound": found and found.bound,
    }


def money_columns(found: MoneyValue | None) -> Row:
    """Return a sum's columns; null for None."""
    return {"amount": found and found.amount, "currency": found and found.currency}
