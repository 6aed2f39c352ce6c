"""The one partitioning of PAX: the day on which a message arrived.

A second definition with another start or end would not line up with the first, and Dagster
would map partitions silently wrong. Days end today (not yesterday), since messages are wanted
while they are fresh.
"""

from __future__ import annotations

import dagster as dg

from pax_assets.settings import load_settings

DAILY = dg.DailyPartitionsDefinition(
    start_date=load_settings().start_date.isoformat(), end_offset=1
)
