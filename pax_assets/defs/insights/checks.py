"""Whether a day was scored completely and once, asked of the stored tables.

A message that was forgotten looks like a message in which nothing was found, and one that was
scored twice doubles every count above it. Neither shows in the tables themselves.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    import pyarrow as pa


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
    import pyarrow as pa
    import pyarrow.compute as pc

    from pax_assets.jobs.insights import insight_tables
    from pax_assets.jobs.scoring.day import distrust
    from pax_assets.lake.tables import read

    table = key.to_user_string()
    at = pc.field("arrival_day") == day
    by_model = at & (pc.field("model_version") == model_version)
    messages = read(lake, "messages", ["message_id"], at)["message_id"].combine_chunks()
    scored = insight_tables.read(lake, insight_tables.SCORED, by_model)
    ids = scored["message_id"].combine_chunks()
    found = scored[key.path[-1]].combine_chunks()
    stored = insight_tables.read(lake, table, by_model)["message_id"]
    counted = pc.value_counts(stored.combine_chunks())
    rows = pc.take(counted.field("counts"), pc.index_in(ids, counted.field("values")))
    here = pc.is_in(ids, messages)
    differ = pc.and_(here, pc.not_equal(pc.fill_null(rows, 0), found))
    everywhere = pc.unique(pa.chunked_array([ids, counted.field("values")]))
    wrong = {
        "not_scored": _count(pc.invert(pc.is_in(messages, ids))),
        "scored_twice": len(ids) - len(pc.unique(ids)),
        "rows_lost_or_doubled": _count(differ),
        "not_of_this_day": _count(pc.invert(pc.is_in(everywhere, messages))),
    }
    if any(wrong.values()):
        # The next run would otherwise believe what the tables say of themselves.
        distrust(lake, day)
    return dg.AssetCheckResult(
        check_name="scored_once",
        asset_key=key,
        passed=not any(wrong.values()),
        description=None
        if not any(wrong.values())
        else f"materialize the day {day} again: what does not fit is scored anew",
        metadata={"messages": len(messages), "rows": len(stored), **wrong},
    )


def _count(which: pa.BooleanArray) -> int:
    return which.true_count
