"""The channel tables, one asset a channel, made by one factory.

Three copies of one asset drift apart. What differs between the channels is how their bytes are
parsed, and that is decided by the bytes.
"""

import dagster as dg
from pydantic import Field

from pax_assets.defs.automation import HOURLY_WITH_YESTERDAY
from pax_assets.defs.channels import checks
from pax_assets.defs.channels.columns import RAW
from pax_assets.defs.metadata import table_metadata
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource

GROUP = "channels"
OWNERS = ["team:data"]

_SOURCES = {
    "sms": "Text messages: JSON Lines, Twilio message lists.",
    "whatsapp": "WhatsApp: Cloud API webhook payloads, JSON Lines.",
    "email": "Mail: RFC 5322 objects (`.eml`), JSON Lines.",
}


class Landed(dg.Config):
    """Which landed objects a run takes in: those at `paths`, or all of the day that are new."""

    paths: list[str] = Field(
        default=[], description="Objects below the landing root; all of the day's if none."
    )


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
        check_specs=checks.specs(name),
        automation_condition=HOURLY_WITH_YESTERDAY,
    )
    def raw(
        context: dg.AssetExecutionContext,
        config: Landed,
        lake: LakeResource,
        spark: SparkResource,
    ) -> dg.MaterializeResult:
        import pyarrow.compute as pc

        from pax_assets.jobs.ingest import IngestReport
        from pax_assets.lake.content import day_version
        from pax_assets.lake.tables import head, rows_on

        day = context.partition_key
        arguments = lake.ingest_arguments(channel, day, config.paths)
        report = IngestReport.of(spark.run(context, "pax_assets.jobs.ingest", arguments))
        context.log.info("%d objects ingested; the day now has %s", report.ingested, report.totals)
        shown = head(lake.root, name, 5, pc.field("arrival_day") == day)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(day_version(lake.root, name, day)),
            metadata={
                **table_metadata(shown, descriptions=RAW, row_count=rows_on(lake.root, name, day)),
                **report.totals,
                "looked_at": f"{len(config.paths)} objects" if config.paths else "the whole day",
                "objects": len(report.objects),
                "objects_ingested_by_this_run": report.ingested,
                "objects_unreadable": len(report.unreadable),
                "outcomes_by_object": dg.MetadataValue.md(checks.objects_table(report.objects)),
                "delta_version": report.version or 0,
            },
            check_results=[
                checks.records_reconcile(report),
                checks.objects_readable(report),
                checks.volume_as_usual(lake.root, channel, day),
                checks.quarantine_share(lake.root, channel, day),
                checks.duplicates_agree(lake.root, channel, report),
            ],
        )

    return raw


raw_sms = channel_asset("sms")
raw_whatsapp = channel_asset("whatsapp")
raw_email = channel_asset("email")
