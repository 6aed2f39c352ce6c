"""One table of messages over all channels, and the conversations and participants in it."""

from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.feature_store import checks
from pax_assets.defs.feature_store.columns import CONVERSATIONS, MESSAGES, PARTICIPANTS
from pax_assets.defs.metadata import table_metadata
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource

if TYPE_CHECKING:
    from pax_assets.jobs.increments import UpdateReport

GROUP = "feature_store"
OWNERS = ["team:data"]
KINDS = {"spark", "delta"}


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    partitions_def=DAILY,
    deps=["raw_sms", "raw_whatsapp", "raw_email"],
    description=(
        "The unified feature store: one row a message, any channel, on the day it arrived. Of "
        "records with one `message_id` the earliest arrival is the message. If an older day "
        "lands late, the message moves there and leaves the later day in the same transaction."
    ),
    check_specs=checks.SPECS,
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def messages(
    context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
) -> dg.MaterializeResult:
    """Build the day's messages from the channel tables."""
    import pyarrow.compute as pc

    from pax_assets.jobs.features import build_messages
    from pax_assets.lake import content_hash, read

    day = context.partition_key
    report = build_messages(spark.session, lake.root, day)
    for other in report.displaced:
        rows = read(lake.root, "messages", filter=pc.field("arrival_day") == other)
        # That day's rows changed too, and whoever follows them must hear of it.
        context.log_event(
            dg.AssetMaterialization(
                asset_key="messages",
                partition=other,
                description=f"messages moved to {day}, where they arrived first",
                metadata={"dagster/row_count": rows.num_rows},
                tags={"dagster/data_version": content_hash(rows)},
            )
        )
    rows = read(lake.root, "messages", filter=pc.field("arrival_day") == day)
    counts = rows["channel"].value_counts().to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.content_hash),
        metadata={
            **table_metadata(rows, descriptions=MESSAGES),
            **{f"messages_{count['values']}": count["counts"] for count in counts},
            "changed": report.changed,
            "moved_here_from_later_days": sum(report.displaced.values()),
            "delta_version": report.version or 0,
        },
        check_results=[
            checks.message_id_unique(lake.root),
            checks.schema(lake.root, rows),
            checks.newest_event_time(lake.root),
        ],
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    deps=[dg.AssetDep("messages", partition_mapping=dg.AllPartitionMapping())],
    description=(
        "Threads: who takes part, when they began, how many messages went which way. Updated "
        "with the conversations whose messages changed since the last time."
    ),
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def conversations(lake: LakeResource, spark: SparkResource) -> dg.MaterializeResult:
    """Bring the conversations up to date."""
    from pax_assets.jobs.conversations import update_conversations

    return _updated(lake, update_conversations(spark.session, lake.root), CONVERSATIONS)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    deps=[dg.AssetDep("messages", partition_mapping=dg.AllPartitionMapping())],
    description=(
        "People across phone, WhatsApp and mail identities: names they were seen under, "
        "channels, first and last time, messages sent and received. Updated with the people "
        "whose messages changed since the last time."
    ),
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def participants(lake: LakeResource, spark: SparkResource) -> dg.MaterializeResult:
    """Bring the participants up to date."""
    from pax_assets.jobs.participants import update_participants

    return _updated(lake, update_participants(spark.session, lake.root), PARTICIPANTS)


def _updated(
    lake: LakeResource, report: "UpdateReport", descriptions: dict[str, str]
) -> dg.MaterializeResult:
    from pax_assets.lake import read

    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.content_hash),
        metadata={
            **table_metadata(read(lake.root, report.table), descriptions=descriptions),
            "rows_recomputed": report.keys,
            "recomputed_completely": report.complete,
            "delta_version": report.version or 0,
        },
    )
