"""How old an asset may get: what follows the traffic, and what follows the labels.

`definitions.py` gives the daily policy to every asset that states none.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

# A day of silence is worth a look, two are an alarm.
DAILY_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=49), warn_window=timedelta(hours=25)
)
# Labels change when people label, and models with them: not every day.
SEASONAL_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=90), warn_window=timedelta(days=60)
)
