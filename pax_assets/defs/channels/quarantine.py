"""What could not be parsed, for people: how much, why and where; and the job that reads it again.

Records in quarantine are nobody's until somebody looks. The asset shows them by channel, day and
reason, without any of their text; the job takes the objects in again when a parser was mended.
"""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from pax_assets.defs.automation import HOURLY
from pax_assets.defs.channels.assets import GROUP, OWNERS
from pax_assets.defs.channels.checks import reasons_table
from pax_assets.defs.channels.columns import QUARANTINE
from pax_assets.defs.metadata import markdown_table, table_metadata
from pax_assets.defs.resources import LakeResource, SparkResource

if TYPE_CHECKING:
    import pyarrow as pa

    from pax_assets.jobs.quarantine_replay import ReplayReport

_SHOWN = 50
_CHANNEL_TABLES = ("raw_sms", "raw_whatsapp", "raw_email")
_NARROW = ["channel", "arrival_day", "code", "reason", "raw_uri", "raw_position", "object_sha256"]


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"delta"},
    deps=[
        dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping()) for name in _CHANNEL_TABLES
    ],
    description=(
        "Records that could not become messages, with the reason; their bytes are kept. Shown by "
        "channel, day and code. To read them again after a parser or a setting was mended, start "
        "the job `replay_quarantine` (Jobs, Launchpad): without configuration it takes every "
        "object in quarantine that other parsers or options than the present ones read, and mail "
        "that could not be fetched; `channels`, `codes`, `days` and `paths` narrow that down. "
        "Ingestion and the job write the table; this asset only looks at it."
    ),
    # Channel events and quarantined records change no data version of a channel table.
    automation_condition=HOURLY,
)
def quarantine(lake: LakeResource) -> dg.MaterializeResult:
    """Count what is in quarantine and say why."""
    from pax_assets.jobs.quarantine_choice import Chosen, due_objects
    from pax_assets.lake import content_hash, tables
    from pax_assets.lake.tables import read

    rows = read(lake.root, "quarantine", _NARROW)
    due = due_objects(lake.root, lake.parse_options(), Chosen())
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_hash(rows)),
        metadata={
            **table_metadata(_newest(lake.root, rows), descriptions=QUARANTINE),
            "dagster/row_count": rows.num_rows,
            **{f"quarantined_{c['values']}": c["counts"] for c in _counts(rows, "channel")},
            "reasons": dg.MetadataValue.md(reasons_table(rows)),
            "by_channel_day_and_code": dg.MetadataValue.md(_by_day(rows)),
            "objects_that_a_replay_would_read": len(due),
            "delta_version": tables.version(lake.root, "quarantine") or 0,
        },
    )


def _counts(rows: "pa.Table", column: str) -> list[dict]:
    return rows[column].value_counts().to_pylist()


def _newest(lake: str, rows: "pa.Table") -> "pa.Table":
    """Return a few whole rows of the newest day, for the masked preview and the columns."""
    import pyarrow.compute as pc

    from pax_assets.lake import tables

    snapshot = tables.newest(lake, "quarantine")
    if snapshot is None or not rows.num_rows:
        return tables.empty("quarantine")
    newest = pc.field("arrival_day") == pc.max(rows["arrival_day"]).as_py()
    return tables.dataset(lake, "quarantine", snapshot).head(5, filter=newest)


def _by_day(rows: "pa.Table") -> str:
    keys = ["channel", "arrival_day", "code"]
    counted = rows.group_by(keys).aggregate([([], "count_all"), ("raw_uri", "count_distinct")])
    order = [("arrival_day", "descending"), ("channel", "ascending"), ("code", "ascending")]
    found = counted.sort_by(order)
    shown = markdown_table(
        [
            {
                "day": row["arrival_day"],
                "channel": row["channel"],
                "code": row["code"],
                "records": row["count_all"],
                "objects": row["raw_uri_count_distinct"],
            }
            for row in found.slice(0, _SHOWN).to_pylist()
        ]
    )
    hidden = found.num_rows - _SHOWN
    return shown if hidden <= 0 else f"{shown}\n\n… and {hidden} more in the table `quarantine`"


class Replayed(dg.Config):
    """Which quarantined objects are read again; what is empty restricts nothing."""

    channels: list[str] = Field(default=[], description="sms, whatsapp, email")
    codes: list[str] = Field(default=[], description="objects with a record of such a code")
    days: list[str] = Field(default=[], description="days of arrival, YYYY-MM-DD")
    paths: list[str] = Field(
        default=[],
        description="objects below the landing root, read again whatever parser read them last",
    )


@dg.op(description="Reads quarantined objects again and builds the messages of their days.")
def read_quarantined_again(
    context: dg.OpExecutionContext, config: Replayed, lake: LakeResource, spark: SparkResource
) -> None:
    """Replay, then say of every partition that changed what it is now."""
    from pax_assets.jobs.quarantine_replay import ReplayReport

    arguments = lake.ingest_arguments("", "", ())
    kept = [a for a in arguments if not a.startswith(("--channel=", "--day="))]
    chosen = {
        "channel": config.channels,
        "code": config.codes,
        "day": config.days,
        "path": config.paths,
    }
    kept += [f"--{name}={value}" for name, values in chosen.items() for value in values]
    report = ReplayReport.of(spark.run(context, "pax_assets.jobs.quarantine_replay", kept))
    for channel, day in report.days:
        _note(context, lake.root, f"raw_{channel}", day)
    for day in report.message_days:
        _note(context, lake.root, "messages", day)
    context.log_event(
        dg.AssetObservation("quarantine", description=_said(report), metadata=_metadata(report))
    )
    context.log.info(_said(report))


def _note(context: dg.OpExecutionContext, lake: str, table: str, day: str) -> None:
    import pyarrow.compute as pc

    from pax_assets.lake import content_hash, ledger
    from pax_assets.lake.content import records_hash
    from pax_assets.lake.tables import read

    rows = read(lake, table, filter=pc.field("arrival_day") == day)
    # As the assets name their own content, so that equal rows request nothing.
    version = (
        records_hash(rows, ledger.parsers(lake, day)) if table == "messages" else content_hash(rows)
    )
    context.log_event(
        dg.AssetMaterialization(
            asset_key=table,
            partition=day,
            description="quarantined objects were read again",
            metadata={"dagster/row_count": rows.num_rows},
            tags={"dagster/data_version": version},
        )
    )


def _said(report: "ReplayReport") -> str:
    still = sum(report.quarantined.values())
    said = (
        f"{report.objects} objects read again: {report.messages} more messages, "
        f"{report.channel_events} more channel events, {still} records still quarantined"
    )
    if report.vanished:
        said += f"; {len(report.vanished)} objects are not in landing as they were ingested"
    return said


def _metadata(report: "ReplayReport") -> dict[str, object]:
    return {
        "objects": report.objects,
        "messages": report.messages,
        "channel_events": report.channel_events,
        "still_quarantined": dg.MetadataValue.md(
            markdown_table([{"code": c, "records": n} for c, n in report.quarantined.items()])
        ),
        "vanished": dg.MetadataValue.md(
            markdown_table([{"object": uri} for uri in report.vanished[:_SHOWN]])
        ),
        "unreadable": dg.MetadataValue.md(
            markdown_table(
                [{"object": p, "error": e} for p, e in list(report.unreadable.items())[:_SHOWN]]
            )
        ),
    }


@dg.job(
    executor_def=dg.in_process_executor,
    description="Reads objects with quarantined records again, with the parsers and options as "
    "they are now, and exchanges their rows. Safe to start at any time, and again.",
)
def replay_quarantine() -> None:
    """Replay the quarantine."""
    read_quarantined_again()
