"""The channel tables, one asset a channel, made by one factory.

Three copies of one asset drift apart. What differs between the channels is how their bytes are
parsed, and that is decided by the bytes.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.automation import HOURLY_WITH_YESTERDAY
from pax_assets.defs.metadata import markdown_table, table_metadata
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource

if TYPE_CHECKING:
    from pax_assets.jobs.ingest import IngestReport
    from pax_assets.jobs.outcomes import ObjectOutcome

GROUP = "channels"
OWNERS = ["team:data"]
_SHOWN_OBJECTS = 20

_SOURCES = {
    "sms": "Text messages: JSON Lines, Twilio message lists.",
    "whatsapp": "WhatsApp: Cloud API webhook payloads, JSON Lines.",
    "email": "Mail: RFC 5322 objects (`.eml`), JSON Lines.",
}


def channel_asset(channel: str) -> dg.AssetsDefinition:
    """Return the asset `raw_<channel>`: the channel's records, by the day they arrived."""
    name = f"raw_{channel}"

    @dg.asset(
        name=name,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"spark", "delta"},
        partitions_def=DAILY,
        description=(
            f"{_SOURCES[channel]} Every record of every object that landed on a day is a "
            "message, a channel event, quarantined, or a duplicate. Messages and duplicates are "
            f"rows of `{name}`; events are in the table `channel_events`, and what could not be "
            "parsed is in `quarantine` with the reason. Rows are added, never rewritten: running "
            "a day again takes in what landed since."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "records_reconcile",
                asset=name,
                blocking=True,
                description="For every object of the day, the four outcomes that the tables hold "
                "add up to the records that its parsing counted.",
            )
        ],
        automation_condition=HOURLY_WITH_YESTERDAY,
    )
    def raw(
        context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
    ) -> dg.MaterializeResult:
        from datetime import UTC, datetime

        import pyarrow.compute as pc

        from pax_assets.jobs.ingest import ingest
        from pax_assets.lake import content_hash, read

        day = context.partition_key
        report = ingest(
            lake.root,
            lake.landing,
            channel,
            day,
            received_at=datetime.now(UTC),
            workers=lake.parse_workers,
            options=lake.parse_options(),
        )
        context.log.info("%d objects ingested; the day now has %s", report.ingested, report.totals)
        rows = read(lake.root, name, filter=pc.field("arrival_day") == day)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(content_hash(rows)),
            metadata={
                **table_metadata(rows),
                **report.totals,
                "objects": len(report.objects),
                "objects_ingested_by_this_run": report.ingested,
                "objects_unreadable": len(report.unreadable),
                "outcomes_by_object": dg.MetadataValue.md(_objects_table(report.objects)),
                "delta_version": report.version or 0,
            },
            check_results=[_records_reconcile(report)],
        )

    return raw


def _records_reconcile(report: "IngestReport") -> dg.AssetCheckResult:
    """Judge a day: nothing of it may be missing from the tables or in them twice."""
    wrong = report.unreconciled
    problems = []
    if wrong:
        problems.append(
            f"{len(wrong)} of {len(report.objects)} objects do not add up: their rows were "
            "changed by something else than ingestion; restore the table to a former version"
        )
    if report.unreadable:
        problems.append(
            f"{len(report.unreadable)} objects could not be opened; make them readable for PAX "
            "and run the day again"
        )
    return dg.AssetCheckResult(
        check_name="records_reconcile",
        passed=not problems,
        description="; ".join(problems) or "every record is accounted for",
        metadata={
            **report.totals,
            "wrong_objects": dg.MetadataValue.md(_objects_table(wrong)),
            "unreadable_objects": dg.MetadataValue.md(
                markdown_table(
                    [{"object": p, "error": e} for p, e in list(report.unreadable.items())[:20]]
                )
            ),
        },
    )


def _objects_table(objects: Iterable["ObjectOutcome"]) -> str:
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


raw_sms = channel_asset("sms")
raw_whatsapp = channel_asset("whatsapp")
raw_email = channel_asset("email")
