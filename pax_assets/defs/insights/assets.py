"""Batch scoring of the store with the released model.

The batch job opens the model that the service serves, with the same runtime: what is stored of
a message is what the API answers for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.automation import when_changed
from pax_assets.defs.insights import checks
from pax_assets.defs.insights.columns import INSIGHTS
from pax_assets.defs.insights.shared import (
    ENTITIES,
    EVENTS,
    GROUP,
    OWNERS,
    RELATIONS,
    content,
    released,
    types,
)
from pax_assets.defs.metadata import table_metadata
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from pax_assets.jobs.score import Scorer

_WHAT = {
    ENTITIES: "Who and what is named in the messages, with the place in the text.",
    EVENTS: "What happens in the messages: the word that says so, and who and what takes part.",
    RELATIONS: "How entities of one message relate, from head to tail.",
}


def _spec(key: dg.AssetKey) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=["messages", "released_model"],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"spark", "onnx", "delta"},
        description=(
            f"{_WHAT[key]} Every message of the day is scored once for each released model; runs "
            "again only take in what is new. Requested when the day's messages changed; the "
            "landing sensor scores in the run that takes the messages in. After another model was "
            "released, a backfill scores history again; former answers stay, told apart by "
            "`model_version`."
        ),
        # A day may land before the first model is released: it is then scored when one is.
        automation_condition=when_changed("messages") & ~dg.AutomationCondition.any_deps_missing(),
    )


@dg.multi_asset(
    name="insights",
    specs=[_spec(key) for key in _WHAT],
    check_specs=[checks.spec(key) for key in _WHAT],
    partitions_def=DAILY,
)
def insights(
    context: dg.AssetExecutionContext, lake: LakeResource, spark: SparkResource
) -> Iterator[dg.MaterializeResult]:
    """Score the day's messages that the released model has not seen."""
    from pax_assets.jobs.score import score_day

    day, scorer = context.partition_key, released_scorer(lake)
    report = score_day(spark.session, lake.root, day, scorer)
    context.log.info(
        "%d messages, %d of them scored now by model %s (%s), %d left the day",
        report.messages,
        report.scored,
        report.model_version,
        scorer.release,
        report.removed,
    )
    for key in _WHAT:
        table = key.to_user_string()
        rows = _rows(lake.root, table, day, scorer.model_version)
        yield dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(content(rows)),
            metadata={
                **table_metadata(rows, descriptions=INSIGHTS[table]),
                "types": dg.MetadataValue.md(types(rows)),
                "messages": report.messages,
                "scored_by_this_run": report.scored,
                "model_version": scorer.model_version,
                "release": scorer.release,
                "delta_version": report.versions[table] or 0,
            },
            check_results=[checks.scored_once(lake.root, day, scorer.model_version, key)],
        )


def released_scorer(lake: LakeResource) -> "Scorer":
    """What scores with the released model."""
    from pax_assets.jobs.score import Scorer

    release = released(lake)
    folder = release["onnx_path"]
    # On S3 too: workers fetch their own copy from there.
    folder = folder if folder.startswith("/") else f"{lake.root}/{folder}"
    settings = load_settings()
    return Scorer(
        folder,
        release["variant"],
        release["model_version"],
        settings.threads,
        region=settings.default_region,
    )


def _rows(lake: str, table: str, day: str, model_version: str) -> "pa.Table":
    import pyarrow.compute as pc

    from pax_assets.jobs.insights import insight_tables

    chosen = (pc.field("arrival_day") == day) & (pc.field("model_version") == model_version)
    return insight_tables.read(lake, table, chosen)
