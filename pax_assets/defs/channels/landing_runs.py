"""What the runs of the last hours say of landed objects that are still not in the lake.

The sensor keeps no list of what it requested: Dagster's own records of runs do, and they survive
a lost cursor. From them follows whether an object is due: not while a run has it in hand, not at
once after a failure (an object that brings its run down would start a run every few seconds, for
ever), and not again where a run looked at it and found nothing to take in. Objects of a run that
failed come again in smaller and smaller company, so that a bad one ends up alone.

Once a model was released, the same runs also score what they took in. A run that fails in that
last step has landed its objects all the same: nothing is taken in again. Scoring has a history of
its own, and is left out of the next runs for a while: they would only fail at it, too.

While a run of a day is under way, the next one may wait in the queue, and starts when that one
ends; `TAG` keeps the instance from running both (dagster.yaml).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

if TYPE_CHECKING:
    from pax_assets.lake.landing import LandedObject

JOB = "ingest_landed"
# Names the day; no two runs with the same value are under way.
TAG = "pax/landing_day"
_ASSETS = {"raw_sms", "raw_whatsapp", "raw_email", "messages"}
# What scores; all of them or none.
INSIGHTS = ("insights/entities", "insights/events", "insights/relations")
_LANDED = "messages"
_PARTITION = "dagster/partition"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_UNDER_WAY = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED)
_RECENT = 50
_LOOKED_AT = timedelta(hours=1)
_DAY_PAUSE, _LONGEST_DAY_PAUSE = timedelta(seconds=10), timedelta(minutes=20)
_OBJECT_PAUSE, _LONGEST_OBJECT_PAUSE = timedelta(minutes=1), timedelta(hours=6)
_IN_COMPANY = 64
# A model that cannot be opened stays so: then it is for a person, or for new objects, to try again.
_SCORING_PAUSE, _LONGEST_SCORING_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_MOST_SCORINGS = 5


@dataclass
class Busy:
    """The days for which no run can be requested now, and how many runs have not ended."""

    days: set[str] = field(default_factory=set)
    ranges: list[tuple[str, str]] = field(default_factory=list)
    ours: int = 0

    def __call__(self, day: str) -> bool:
        """Whether `day` has a run in the queue, or one that is not this job's."""
        return day in self.days or any(first <= day <= last for first, last in self.ranges)


def busy_days(instance: dg.DagsterInstance) -> Busy:
    """Ask the instance for the runs that are queued or under way."""
    busy = Busy()
    under_way: set[str] = set()
    for run in instance.get_runs(RunsFilter(statuses=UNFINISHED)):
        selected = {key.to_user_string() for key in run.asset_selection or ()}
        if run.job_name != JOB and not selected & _ASSETS:
            continue
        ours = TAG in run.tags
        busy.ours += ours
        day = run.tags.get(_PARTITION, "")
        if ours and run.status in _UNDER_WAY and day not in under_way:
            under_way.add(day)
        else:
            busy.days.add(day)
        if all(tag in run.tags for tag in _RANGE):
            busy.ranges.append((run.tags[_RANGE[0]], run.tags[_RANGE[1]]))
    return busy


def failed_days(instance: dg.DagsterInstance) -> set[str]:
    """Return the days of the job's latest runs that failed, whatever came after."""
    failed = RunsFilter(
        job_name=JOB, statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    )
    runs = instance.get_runs(failed, limit=_RECENT)
    return {run.tags[_PARTITION] for run in runs if _PARTITION in run.tags}


def _took(paths: Mapping[str, frozenset[str]], channel: str, path: str) -> bool:
    """Whether a run's objects include this one; a channel with no path has all of the day."""
    named = paths.get(channel)
    return named is not None and (not named or path in named)


@dataclass(frozen=True)
class _Ended:
    """A run of the job that has ended, and its objects by channel.

    `succeeded` is about landing: None where the run was for scoring alone. `scored` is None where
    the run was not to score, or did not come to it.
    """

    created: datetime
    ended: datetime
    succeeded: bool | None
    scored: bool | None
    paths: Mapping[str, frozenset[str]]

    def took(self, channel: str, path: str) -> bool:
        return _took(self.paths, channel, path)


class History:
    """The latest runs of the job for one day, the newest first."""

    def __init__(self, instance: dg.DagsterInstance, day: str) -> None:
        records = instance.get_run_records(
            RunsFilter(job_name=JOB, tags={_PARTITION: day}), limit=_RECENT
        )
        ended = [
            _ended(instance, record)
            for record in records
            if record.dagster_run.status not in UNFINISHED
        ]
        self._runs = [run for run in ended if run.succeeded is not None]
        self._scorings = [run for run in ended if run.scored is not None]
        self._in_hand = [
            _paths(record.dagster_run.run_config, record.dagster_run.asset_selection)
            for record in records
            if record.dagster_run.status in UNFINISHED
        ]

    @property
    def is_under_way(self) -> bool:
        """Whether a run has not ended yet."""
        return bool(self._in_hand)

    def is_in_hand(self, landed: LandedObject, channel: str) -> bool:
        """Whether a run that has not ended yet takes the object in."""
        return any(_took(paths, channel, landed.path) for paths in self._in_hand)

    @property
    def failures(self) -> int:
        """How many runs have failed since the last one that did not."""
        return next((n for n, run in enumerate(self._runs) if run.succeeded), len(self._runs))

    def is_paused(self, now: datetime) -> bool:
        """Whether it is too early for another run, because the last ones failed."""
        failures = self.failures
        if not failures:
            return False
        pause = min(_LONGEST_DAY_PAUSE, _DAY_PAUSE * 2 ** min(failures - 1, 10))
        return now < self._runs[0].ended + pause

    @property
    def scoring_failures(self) -> int:
        """How many runs have failed at scoring since the last one that did not."""
        runs = self._scorings
        return next((n for n, run in enumerate(runs) if run.scored), len(runs))

    def may_score(self, now: datetime) -> bool:
        """Whether a run may score: it did not fail, or that is long enough ago."""
        failures = self.scoring_failures
        if not failures:
            return True
        pause = min(_LONGEST_SCORING_PAUSE, _SCORING_PAUSE * 4 ** min(failures - 1, 6))
        return now >= self._scorings[0].ended + pause

    def is_to_be_scored(self, now: datetime) -> bool:
        """Whether scoring failed, and is to be tried again without anything new."""
        return 0 < self.scoring_failures < _MOST_SCORINGS and self.may_score(now)

    def was_looked_at(self, landed: LandedObject, channel: str, now: datetime) -> bool:
        """Whether a run that ended well has looked at the object as it is, within the hour."""
        return any(
            run.succeeded
            and run.took(channel, landed.path)
            and run.created > landed.modified_at
            and now < run.ended + _LOOKED_AT
            for run in self._runs
        )

    def failed_with(self, landed: LandedObject, channel: str) -> int:
        """In how many of the latest runs the object was when they failed, up to a good one."""
        count = 0
        for run in self._runs:
            if not run.took(channel, landed.path):
                continue
            if run.succeeded:
                break
            count += 1
        return count

    def may_come_again(self, landed: LandedObject, channel: str, now: datetime) -> bool:
        """Whether an object that failed has waited long enough."""
        last = next(run for run in self._runs if run.took(channel, landed.path))
        times = self.failed_with(landed, channel)
        pause = min(_LONGEST_OBJECT_PAUSE, _OBJECT_PAUSE * 4 ** min(times - 1, 6))
        return now >= last.ended + pause


def _ended(instance: dg.DagsterInstance, record: Any) -> _Ended:
    run = record.dagster_run
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    is_good = run.status == DagsterRunStatus.SUCCESS
    landed = is_good or (bool(selected & set(INSIGHTS)) and _has_landed(instance, run))
    return _Ended(
        created=record.create_timestamp.replace(tzinfo=UTC),
        ended=datetime.fromtimestamp(record.end_time, UTC)
        if record.end_time
        else record.update_timestamp.replace(tzinfo=UTC),
        succeeded=landed if _LANDED in selected else None,
        scored=is_good if landed and selected & set(INSIGHTS) else None,
        paths=_paths(run.run_config, run.asset_selection),
    )


def _has_landed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run that failed came as far as to its last step, which scores."""
    steps = run.step_keys_to_execute
    if steps is not None and _LANDED not in steps:
        # A retry from where the run before it failed, or a run for scoring alone.
        return True
    if dg.AssetKey(_LANDED) not in (run.asset_selection or ()):
        return True
    stats = instance.get_run_step_stats(run.run_id, [_LANDED])
    return any(step.status is not None and step.status.value == "SUCCESS" for step in stats)


def _paths(config: Mapping[str, Any], selection: Any) -> dict[str, frozenset[str]]:
    ops = config.get("ops", {})
    found = {}
    for key in selection or ():
        name = key.to_user_string()
        if name.startswith("raw_"):
            named = ops.get(name, {}).get("config", {}).get("paths", ())
            found[name.removeprefix("raw_")] = frozenset(named)
    return found


def due(
    history: History, candidates: Mapping[str, Sequence[LandedObject]], now: datetime
) -> dict[str, list[LandedObject]]:
    """Return which of a day's new objects, by channel, the next run takes; maybe none."""
    if history.is_paused(now):
        return {}
    fresh: dict[str, list[LandedObject]] = {}
    failed: list[tuple[int, str, LandedObject]] = []
    for channel, objects in candidates.items():
        for landed in objects:
            times = history.failed_with(landed, channel)
            if not times:
                fresh.setdefault(channel, []).append(landed)
            elif history.may_come_again(landed, channel, now):
                failed.append((times, channel, landed))
    if fresh or not failed:
        return fresh
    failed.sort(key=lambda item: (item[0], item[1], item[2].path))
    fewest = failed[0][0]
    company = max(1, _IN_COMPANY // 8 ** (fewest - 1))
    again: dict[str, list[LandedObject]] = {}
    for times, channel, landed in failed[:company]:
        if times == fewest:
            again.setdefault(channel, []).append(landed)
    return again


def run_key(
    day: str, chosen: Mapping[str, Sequence[LandedObject]], attempt: tuple[int, int]
) -> str:
    """Return the name of the run of these objects: the same for the same objects.

    Dagster starts no second run of a name, so `attempt`, how many runs failed at landing and at
    scoring, tells one attempt from the next.
    """
    digest = hashlib.sha256()
    for channel in sorted(chosen):
        for landed in sorted(chosen[channel], key=lambda landed: landed.path):
            digest.update(f"{landed.path}\n{landed.etag}\n".encode(errors="surrogateescape"))
    return f"{day}/{digest.hexdigest()[:20]}/{attempt[0]}-{attempt[1]}"
