"""What must be true of a channel's day, each judged from the stored tables and not from the run.

A check that only says "failed" sends somebody searching: each says what is wrong, where, and what
was expected. Those that compare with former days read the ledger, one narrow row an object, of at
most four weeks: what they cost does not grow with history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.metadata import markdown_table

if TYPE_CHECKING:
    import pyarrow as pa

    from pax_assets.jobs.ingest import IngestReport
    from pax_assets.jobs.outcomes import ObjectOutcome

_SHOWN_OBJECTS = 20
_HISTORY_DAYS = 28
_LEAST_HISTORY = 7
# With fewer days of one weekday, the weekday says less than the month.
_LEAST_WEEKDAYS = 3
# 1.4826 times the median absolute deviation is the standard deviation of a normal distribution.
_MAD_TO_DEVIATION = 1.4826
_DEVIATIONS = 4.0
# One record in a hundred; what providers deliver has one in some thousands.
_MOST_QUARANTINED = 0.01


def specs(name: str) -> list[dg.AssetCheckSpec]:
    """Return the checks of the channel table `name`."""
    return [
        dg.AssetCheckSpec(
            "records_reconcile",
            asset=name,
            blocking=True,
            description="For every object of the day, the four outcomes that the tables hold "
            "add up to the records that its parsing counted.",
        ),
        dg.AssetCheckSpec(
            "objects_readable",
            asset=name,
            description="Every object that was looked at could be opened. Those that could "
            "not are tried again; the others are taken in.",
        ),
        dg.AssetCheckSpec(
            "volume_as_usual",
            asset=name,
            description="The day has about as many records as the same weekday of the last four "
            "weeks: their median, give or take four robust standard deviations. Not judged "
            "before the day is over (UTC), nor with fewer than 7 days of history.",
        ),
        dg.AssetCheckSpec(
            "quarantine_share",
            asset=name,
            description="At most one record in a hundred of the day is quarantined.",
        ),
        dg.AssetCheckSpec(
            "duplicates_agree",
            asset=name,
            description="Duplicates among the records that were looked at have the text and the "
            "subject of the message whose id they have.",
        ),
    ]


def records_reconcile(report: IngestReport) -> dg.AssetCheckResult:
    """Judge a day: nothing of it may be missing from the tables or in them twice."""
    wrong = report.unreconciled
    return dg.AssetCheckResult(
        check_name="records_reconcile",
        passed=not wrong,
        description=f"{len(wrong)} of {len(report.objects)} objects do not add up: their rows were "
        "changed by something else than ingestion; restore the table to a former version"
        if wrong
        else "every record is accounted for",
        metadata={
            **report.totals,
            "wrong_objects": dg.MetadataValue.md(objects_table(wrong)),
        },
    )


def objects_readable(report: IngestReport) -> dg.AssetCheckResult:
    """Not blocking: an object that nobody can open must not hold up those that came with it."""
    found = list(report.unreadable.items())
    return dg.AssetCheckResult(
        check_name="objects_readable",
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(found)} objects could not be opened; make them readable for PAX: the "
        "next run of the day tries them again"
        if found
        else None,
        metadata={
            "unreadable_objects": dg.MetadataValue.md(
                markdown_table([{"object": p, "error": e} for p, e in found[:_SHOWN_OBJECTS]])
            ),
        },
    )


def objects_table(objects: Iterable[ObjectOutcome]) -> str:
    """Return the outcomes of objects as Markdown, the first twenty."""
    chosen = list(objects)
    table = markdown_table(
        [
            {
                "object": o.raw_uri,
                "records": o.records,
                "messages": o.messages,
                "channel events": o.channel_events,
                "quarantined": o.quarantined,
                "duplicates": o.duplicates,
            }
            for o in chosen[:_SHOWN_OBJECTS]
        ]
    )
    hidden = len(chosen) - _SHOWN_OBJECTS
    return table if hidden <= 0 else f"{table}\n\n… and {hidden} more in the table `ledger`"


def volume_as_usual(
    lake: str, channel: str, day: str, now: datetime | None = None
) -> dg.AssetCheckResult:
    """Compare the records of a channel's day with those of the four weeks before it."""
    moment = now or datetime.now(UTC)
    at = date.fromisoformat(day)
    counts = _records_by_day(lake, channel, at - timedelta(days=_HISTORY_DAYS), at)
    seen = counts.get(at, 0)
    history = _history(counts, at)
    why_not = None
    if moment.astimezone(UTC).date() <= at:
        why_not = f"{channel} on {day}: {seen} records so far; judged when the day is over"
    elif len(history) < _LEAST_HISTORY:
        why_not = f"{channel} on {day}: {seen} records; only {len(history)} days to compare with"
    if why_not:
        return _volume(True, why_not, {"records": seen, "history_days": len(history)})
    usual = usual_range(history, at)
    passed = usual.low <= seen <= usual.high
    verdict = "as usual" if passed else "too few" if seen < usual.low else "too many"
    said = (
        f"{channel} on {day}: {seen} records, {verdict}; expected {usual.low} to {usual.high} "
        f"(median {usual.centre:g} of {usual.of})"
    )
    if not passed:
        said += "; look at the provider's deliveries to landing" if verdict == "too few" else ""
    return _volume(
        passed,
        said,
        {
            "records": seen,
            "expected_low": usual.low,
            "expected_high": usual.high,
            "median": float(usual.centre),
            "history_days": len(history),
        },
    )


def _volume(
    passed: bool, description: str, metadata: Mapping[str, int | float]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="volume_as_usual",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=dict(metadata),
    )


@dataclass(frozen=True, slots=True)
class Usual:
    """The range of records that a day is expected to have, and what it was taken from."""

    low: int
    high: int
    centre: float
    of: str


def usual_range(history: Mapping[date, int], day: date) -> Usual:
    """Return the median of the day's weekday, give or take four robust standard deviations.

    The deviation is that of all days from their own weekday's median (median absolute deviation;
    Hampel 1974), at least that of a Poisson process of such a rate: four days of one weekday are
    too few to have a spread of their own.
    """
    by_weekday: dict[int, list[int]] = {}
    for other, count in history.items():
        by_weekday.setdefault(other.weekday(), []).append(count)
    medians = {weekday: median(counts) for weekday, counts in by_weekday.items()}
    same = by_weekday.get(day.weekday(), [])
    if len(same) >= _LEAST_WEEKDAYS:
        centre, of = median(same), f"{len(same)} {day:%A}s"
        residuals = [abs(count - medians[other.weekday()]) for other, count in history.items()]
    else:
        centre, of = median(history.values()), f"{len(history)} days"
        residuals = [abs(count - centre) for count in history.values()]
    deviation = max(_MAD_TO_DEVIATION * median(residuals), centre**0.5, 1.0)
    reach = _DEVIATIONS * deviation
    return Usual(max(0, int(centre - reach)), int(centre + reach + 0.5), centre, of)


def _history(counts: Mapping[date, int], day: date) -> dict[date, int]:
    """Return the days before, from the channel's first one on; days without records have 0."""
    known = sorted(other for other in counts if other < day)
    if not known:
        return {}
    length = (day - known[0]).days
    return {
        known[0] + timedelta(days=n): counts.get(known[0] + timedelta(days=n), 0)
        for n in range(length)
    }


def _records_by_day(lake: str, channel: str, first: date, last: date) -> dict[date, int]:
    import pyarrow.compute as pc

    from pax_assets.lake.tables import read

    chosen = (
        (pc.field("channel") == channel)
        & (pc.field("arrival_day") >= first.isoformat())
        & (pc.field("arrival_day") <= last.isoformat())
    )
    rows = read(lake, "ledger", ["arrival_day", "records"], chosen)
    sums = rows.group_by("arrival_day").aggregate([("records", "sum")]).to_pylist()
    return {date.fromisoformat(row["arrival_day"]): row["records_sum"] for row in sums}


def quarantine_share(lake: str, channel: str, day: str) -> dg.AssetCheckResult:
    """Judge how much of a channel's day could not be parsed; name the reasons and objects."""
    import pyarrow.compute as pc

    from pax_assets.lake.tables import read

    at = date.fromisoformat(day)
    records = _records_by_day(lake, channel, at, at).get(at, 0)
    chosen = (pc.field("channel") == channel) & (pc.field("arrival_day") == day)
    rows = read(lake, "quarantine", ["code", "reason", "raw_uri", "raw_position"], chosen)
    quarantined = rows.num_rows
    share = quarantined / records if records else float(quarantined > 0)
    passed = share <= _MOST_QUARANTINED
    said = f"{channel} on {day}: {quarantined} of {records} records ({share:.1%}) are quarantined"
    if not passed:
        said += (
            f", more than {_MOST_QUARANTINED:.0%}; see the reasons below, mend what delivers "
            "them or the parser, and run the job replay_quarantine"
        )
    return dg.AssetCheckResult(
        check_name="quarantine_share",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "records": records,
            "quarantined": quarantined,
            "share": share,
            "reasons": dg.MetadataValue.md(reasons_table(rows)),
        },
    )


def duplicates_agree(lake: str, channel: str, report: IngestReport) -> dg.AssetCheckResult:
    """Judge whether records that count as duplicates say what the message says that won."""
    from pax_assets.jobs.differing_duplicates import DifferingDuplicates, differing_duplicates

    uris = [o.raw_uri for o in report.objects if o.duplicates]
    # Mostly there are none, and then nothing is read.
    found = differing_duplicates(lake, channel, report.day, uris) if uris else DifferingDuplicates()
    passed = found.other_content == 0
    said = f"{channel} on {report.day}: {found.duplicates} duplicates"
    if not passed:
        said += (
            f", {found.other_content} of them with another text or subject than the message that "
            f"has their id: whatever sends them uses ids again. They are in raw_{channel} and not "
            "in messages"
        )
    examples = list(found.examples)
    return dg.AssetCheckResult(
        check_name="duplicates_agree",
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "duplicates": found.duplicates,
            "duplicates_with_other_bytes": found.other_bytes,
            "duplicates_with_other_content": found.other_content,
            "duplicates_not_compared": found.not_compared,
            **({"for_example": dg.MetadataValue.md(markdown_table(examples))} if examples else {}),
        },
    )


def reasons_table(rows: pa.Table) -> str:
    """Return quarantined records by code as Markdown, commonest first, each with an example.

    `rows` have `code`, `reason`, `raw_uri` and `raw_position`.
    """
    found = rows.sort_by([("raw_uri", "ascending")]).group_by("code", use_threads=False)
    counted = found.aggregate(
        [
            ([], "count_all"),
            ("reason", "first"),
            ("raw_uri", "count_distinct"),
            ("raw_uri", "first"),
            ("raw_position", "first"),
        ]
    ).sort_by([("count_all", "descending")])
    return markdown_table(
        [
            {
                "code": row["code"],
                "records": row["count_all"],
                "objects": row["raw_uri_count_distinct"],
                "reason": row["reason_first"],
                "for example": f"{row['raw_uri_first']} at {row['raw_position_first']}",
            }
            for row in counted.slice(0, _SHOWN_OBJECTS).to_pylist()
        ]
    )
