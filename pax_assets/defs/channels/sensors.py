"""New landing objects become messages within half a minute, without anybody asking for it.

The hourly automation of the channel assets looks at whole days; waiting for it makes a message an
hour old. This sensor looks at landing every few seconds and requests a run for just the objects
that are new: the channel tables and `messages` of their day, in one process. Once a model was
released the same process goes on to score the new messages: another run would take longer to
start than to do that. At most one run of a day is under way, so no two runs fight over a table;
objects that land meanwhile wait in a second one, which starts when that one ends.

Outside `local` it is on from the start: nobody should have to press a button for messages to
arrive. On a laptop, where each run costs the person who works there both cores, it is off like
all automation, until it is switched on in the UI.
"""

import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.defs.channels.landing_runs import (
    INSIGHTS,
    JOB,
    TAG,
    Busy,
    History,
    busy_days,
    due,
    failed_days,
    run_key,
)
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

if TYPE_CHECKING:
    from pax_assets.lake.landing_watch import Look, Position, Watch

# The daemon itself looks every five seconds.
_SECONDS_BETWEEN = 5
_SECONDS_A_LOOK = 15.0
_MOST_RUNS = 4

ingest_landed = dg.define_asset_job(
    JOB,
    selection=["raw_sms", "raw_whatsapp", "raw_email", "messages", *INSIGHTS],
    partitions_def=DAILY,
    executor_def=dg.in_process_executor,
    description="Takes in landed objects, builds `messages` and, once a model was released, scores "
    "them, for one day, in one process.",
)


@dg.sensor(
    job=ingest_landed,
    minimum_interval_seconds=_SECONDS_BETWEEN,
    default_status=dg.DefaultSensorStatus.STOPPED
    if load_settings().env == "local"
    else dg.DefaultSensorStatus.RUNNING,
    description="Looks for landed objects that are not in the lake, and requests a run for them.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, lake: LakeResource
) -> dg.SensorResult | dg.SkipReason:
    """Request a run for each day that has new objects and none under way."""
    busy = busy_days(context.instance)
    watch = _watch(lake.root, lake.landing)
    now = datetime.now(UTC)
    look = watch.look(
        _position(context.cursor),
        now,
        DAILY.start.date(),
        busy=busy,
        seconds=_SECONDS_A_LOOK,
    )
    requests = _requests(context.instance, watch, look, busy, now, lake)
    cursor = json.dumps(asdict(look.position), separators=(",", ":"))
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    context.update_cursor(cursor)
    return dg.SkipReason(_why_nothing(look, busy))


@cache
def _watch(lake: str, landing: str) -> "Watch":
    """Return what this process remembers of a landing folder from look to look."""
    from pax_assets.lake.landing_watch import Watch

    return Watch(lake, landing)


def _requests(
    instance: dg.DagsterInstance,
    watch: "Watch",
    look: "Look",
    busy: Busy,
    now: datetime,
    lake: LakeResource,
) -> list[dg.RunRequest]:
    requests: list[dg.RunRequest] = []
    # The newest day first: an old one has waited already.
    for day in sorted({*look.found, *failed_days(instance)}, reverse=True):
        if busy.ours + len(requests) >= _MOST_RUNS:
            break
        if busy(day):
            continue
        history = History(instance, day)
        waiting = {}
        for channel, objects in look.found.get(day, {}).items():
            fresh = [o for o in objects if not history.is_in_hand(o, channel)]
            done = [o for o in fresh if history.was_looked_at(o, channel, now)]
            watch.settle(channel, done)
            waiting[channel] = [o for o in fresh if o not in done]
        chosen = due(history, waiting, now)
        # A run may fail after it has ingested: its objects are not new then, nor messages yet.
        unbuilt = history.failures and not history.is_under_way and not history.is_paused(now)
        unscored = history.is_to_be_scored(now) and not history.is_under_way
        if chosen or unbuilt or unscored:
            assets = ["messages"] if chosen or unbuilt else []
            if history.may_score(now) and _is_released(lake):
                assets += INSIGHTS
            if assets:
                attempt = history.failures, history.scoring_failures
                requests.append(_request(day, chosen, assets, attempt))
    return requests


def _is_released(lake: LakeResource) -> bool:
    """Whether there is a model to score with."""
    from pax_assets.lake.releases import Releases

    return Releases(lake.artifacts()).champion() is not None


def _request(
    day: str, chosen: dict[str, list[Any]], assets: list[str], attempt: tuple[int, int]
) -> dg.RunRequest:
    from pax_assets.lake.landing_watch import MOST_NEW

    ops = {
        # More than can be named: then all of the day that is new.
        f"raw_{channel}": {
            "config": {"paths": [o.path for o in objects] if len(objects) <= MOST_NEW else []}
        }
        for channel, objects in chosen.items()
    }
    return dg.RunRequest(
        run_key=run_key(day, chosen, attempt),
        partition_key=day,
        asset_selection=[dg.AssetKey(name.split("/")) for name in (*ops, *assets)],
        run_config={"ops": ops},
        # People wait for these, and they are short.
        tags={"dagster/priority": "10", TAG: day},
    )


def _why_nothing(look: "Look", busy: Busy) -> str:
    waiting = sum(len(objects) for found in look.found.values() for objects in found.values())
    if waiting:
        return f"{waiting} new objects wait, for runs under way or after one that failed"
    if busy.ours:
        return f"{look.folders} folders have nothing new; {busy.ours} runs are under way"
    return f"{look.folders} folders have nothing new"


def _position(cursor: str | None) -> "Position":
    """Read a cursor; one that cannot be read means that the round begins anew."""
    from pax_assets.lake.landing_watch import Position

    try:
        stored = json.loads(cursor or "{}")
        names = {field.name for field in fields(Position)}
        return Position(**{k: v for k, v in stored.items() if k in names})
    except (ValueError, TypeError, AttributeError):
        return Position()
