"""One table of messages over all channels, their features, their threads and their people."""

from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.automation import HOURLY, WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.feature_store import checks, columns, lineage
from pax_assets.defs.metadata import markdown_table, table_metadata
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

    from pax_assets.jobs.features import MessagesReport
    from pax_assets.lake.content import day_version
    from pax_assets.lake.tables import head, read, rows_on

    day = context.partition_key
    arguments = [f"--lake={lake.root}", f"--day={day}"]
    report = MessagesReport(**spark.run(context, "pax_assets.jobs.features", arguments))
    for other in report.displaced:
        # That day's rows changed too, and whoever follows them must hear of it.
        context.log_event(
            dg.AssetMaterialization(
                asset_key="messages",
                partition=other,
                description=f"messages moved to {day}, where they arrived first",
                metadata={"dagster/row_count": rows_on(lake.root, "messages", other)},
                tags={"dagster/data_version": day_version(lake.root, "messages", other)},
            )
        )
    today = pc.field("arrival_day") == day
    rows = read(lake.root, "messages", list(checks.REQUIRED), today)
    counts = rows["channel"].value_counts().to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(day_version(lake.root, "messages", day)),
        metadata={
            **table_metadata(
                head(lake.root, "messages", 5, today),
                descriptions=columns.MESSAGES,
                lineage=lineage.MESSAGES,
                row_count=rows.num_rows,
            ),
            **{f"messages_{count['values']}": count["counts"] for count in counts},
            "changed": report.changed,
            "moved_here_from_later_days": sum(report.displaced.values()),
            "delta_version": report.version or 0,
        },
        check_results=[
            checks.message_id_unique(lake.root, day),
            checks.schema(lake.root, rows),
            checks.newest_event_time(lake.root),
        ],
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"delta", "fasttext"},
    partitions_def=DAILY,
    deps=["messages"],
    description=(
        "Features beside `messages`, one row a message: identified language, counts of the text, "
        "and what was known of sender and conversation just before it was sent (messages sent "
        "and received, response times), as of `sent_at` and never later. A message that arrives "
        "late changes what was known before those that follow it: their days are revised in the "
        "same transaction and reported. `sender_id` joins to `participants.alias_ids`."
    ),
    check_specs=checks.FEATURE_SPECS,
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def message_features(
    context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
) -> dg.MaterializeResult:
    """Take the day of `messages` into the features."""
    import pyarrow.compute as pc

    from pax_assets.jobs.message_features import FeaturesReport
    from pax_assets.lake import content_hash
    from pax_assets.lake.tables import read

    day = context.partition_key
    arguments = [f"--lake={lake.root}", f"--day={day}", f"--workers={lake.parse_workers}"]
    report = FeaturesReport(**spark.run(context, "pax_assets.jobs.message_features", arguments))
    for other, count in report.revised.items():
        rows = read(lake.root, "message_features", filter=pc.field("arrival_day") == other)
        context.log_event(
            dg.AssetMaterialization(
                asset_key="message_features",
                partition=other,
                description=f"{count} rows revised: messages of {day} were sent before them",
                metadata={"dagster/row_count": rows.num_rows, "rows_revised": count},
                tags={"dagster/data_version": content_hash(rows)},
            )
        )
    rows = read(lake.root, "message_features", filter=pc.field("arrival_day") == day)
    languages = rows["language"].value_counts().to_pylist()
    languages.sort(key=lambda count: (-count["counts"], count["values"]))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.content_hash),
        metadata={
            **table_metadata(
                rows, descriptions=columns.MESSAGE_FEATURES, lineage=lineage.MESSAGE_FEATURES
            ),
            "languages": dg.MetadataValue.md(
                markdown_table(
                    [{"language": c["values"], "messages": c["counts"]} for c in languages[:20]]
                )
            ),
            "changed": report.changed,
            "rows_revised_on_other_days": sum(report.revised.values()),
            "delta_version": report.version or 0,
        },
        check_results=[checks.features_match_messages(lake.root, day, rows)],
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
def conversations(
    context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
) -> dg.MaterializeResult:
    """Bring the conversations up to date."""
    from pax_assets.jobs.increments import UpdateReport

    arguments = [f"--lake={lake.root}"]
    report = UpdateReport(**spark.run(context, "pax_assets.jobs.conversations", arguments))
    return _updated(lake, report, columns.CONVERSATIONS, lineage.CONVERSATIONS)


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"delta"},
    deps=[dg.AssetDep("messages", partition_mapping=dg.AllPartitionMapping())],
    description=(
        "Why addresses are taken for one person's: what WhatsApp and Twilio state of a sender, "
        "notices of a changed number, contact cards that were sent, and the data team's own "
        'files in `<landing>/identities/` (JSON Lines: `{"identities": ["+49…", "a@b"]}`). '
        "Equal names are no evidence. When a statement goes, so does what followed from it."
    ),
    check_specs=checks.EVIDENCE_SPECS,
    # Files of the data team and channel events change no asset that comes before this one.
    automation_condition=WHEN_A_DEPENDENCY_CHANGED | HOURLY,
)
def identity_evidence(lake: LakeResource) -> dg.MaterializeResult:
    """Bring the evidence, and the clusters of identities that it makes, up to date."""
    from pax_assets.jobs.identities.evidence import update_identities
    from pax_assets.lake.tables import read

    report = update_identities(lake.root, lake.landing, lake.default_region)
    rows = read(lake.root, "identity_evidence")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.content_hash),
        metadata={
            **table_metadata(
                rows, descriptions=columns.IDENTITY_EVIDENCE, lineage=lineage.IDENTITY_EVIDENCE
            ),
            **{f"rule_{c['values']}": c["counts"] for c in rows["rule"].value_counts().to_pylist()},
            "clusters": report.clusters,
            "clusters_merged": report.merged,
            "clusters_split": report.split,
            "delta_version": report.version or 0,
        },
        check_results=[checks.identity_files_usable(report.unusable)],
    )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds=KINDS,
    deps=[
        dg.AssetDep("messages", partition_mapping=dg.AllPartitionMapping()),
        "identity_evidence",
    ],
    description=(
        "People across phone, WhatsApp and mail identities: names they were seen under, "
        "channels, first and last time, messages sent and received. Identities are one person's "
        "where `identity_evidence` says so. Updated with the people whose messages or evidence "
        "changed since the last time."
    ),
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def participants(
    context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
) -> dg.MaterializeResult:
    """Bring the participants up to date."""
    from pax_assets.jobs.increments import UpdateReport

    arguments = [f"--lake={lake.root}"]
    report = UpdateReport(**spark.run(context, "pax_assets.jobs.participants", arguments))
    return _updated(lake, report, columns.PARTICIPANTS, lineage.PARTICIPANTS)


def _updated(
    lake: LakeResource,
    report: "UpdateReport",
    descriptions: dict[str, str],
    sources: dict[str, list[str]],
) -> dg.MaterializeResult:
    from pax_assets.lake.tables import read

    rows = read(lake.root, report.table)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.content_hash),
        metadata={
            **table_metadata(rows, descriptions=descriptions, lineage=sources),
            "rows_recomputed": report.keys,
            "recomputed_completely": report.complete,
            "delta_version": report.version or 0,
        },
    )
