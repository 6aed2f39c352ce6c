"""Whether a day was scored completely and once, asked of the stored tables.

A message that was forgotten looks like a message in which nothing was found, and one that was
scored twice doubles every count above it. Neither shows in the tables themselves.
"""

from __future__ import annotations

from collections import Counter

import dagster as dg


def spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check `scored_once` of one of the three tables."""
    return dg.AssetCheckSpec(
        "scored_once",
        asset=key,
        blocking=True,
        description="Each message of the day was scored exactly once by the released model, has "
        "as many rows here as were found in it, and no other message has any.",
    )


def scored_once(lake: str, day: str, model_version: str, key: dg.AssetKey) -> dg.AssetCheckResult:
    """Compare a day of `messages` with what is stored of it by one model version."""
    import pyarrow.compute as pc

    from pax_assets.jobs.insights import insight_tables
    from pax_assets.lake.tables import read

    table = key.to_user_string()
    at = pc.field("arrival_day") == day
    by_model = at & (pc.field("model_version") == model_version)
    messages = set(read(lake, "messages", ["message_id"], at)["message_id"].to_pylist())
    scored = insight_tables.read(lake, insight_tables.SCORED, by_model)
    times = Counter(scored["message_id"].to_pylist())
    counts = scored[key.path[-1]].to_pylist()
    found = dict(zip(scored["message_id"].to_pylist(), counts, strict=True))
    stored = Counter(
        insight_tables.read(lake, table, by_model)["message_id"].to_pylist(),
    )
    wrong = {
        "not_scored": sum(times[message] == 0 for message in messages),
        "scored_twice": sum(count > 1 for count in times.values()),
        "rows_lost_or_doubled": sum(
            stored[message] != count for message, count in found.items() if message in messages
        ),
        "not_of_this_day": len((times.keys() | stored.keys()) - messages),
    }
    return dg.AssetCheckResult(
        check_name="scored_once",
        asset_key=key,
        passed=not any(wrong.values()),
        description=None
        if not any(wrong.values())
        else f"materialize the day {day} again: what does not fit is scored anew",
        metadata={"messages": len(messages), "rows": sum(stored.values()), **wrong},
    )
