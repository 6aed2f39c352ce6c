"""Batch scoring of the store with the released model, and the graph of who relates to whom.

The batch job opens the model that the service serves, with the same runtime: what is stored of
a message is what the API answers for it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED, when_changed
from pax_assets.defs.insights import checks
from pax_assets.defs.insights.columns import EDGES, INSIGHTS, NODES
from pax_assets.defs.metadata import image, markdown_table, preview, table_metadata
from pax_assets.defs.partitions import DAILY
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from pax_assets.jobs.score import Scorer

GROUP = "insights"
OWNERS = ["team:data", "team:ml"]
ENTITIES, EVENTS, RELATIONS = (
    dg.AssetKey(["insights", name]) for name in ("entities", "events", "relations")
)
_WHAT = {
    ENTITIES: "Who and what is named in the messages, with the place in the text.",
    EVENTS: "What happens in the messages: the word that says so, and who and what takes part.",
    RELATIONS: "How entities of one message relate, from head to tail.",
}
_CENTRAL = 10


def _spec(key: dg.AssetKey) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=["messages", "released_model"],
        group_name=GROUP,
        owners=OWNERS,
        kinds={"spark", "onnx", "delta"},
        description=(
            f"{_WHAT[key]} Every message of the day is scored once for each released model; runs "
            "again only take in what is new. Requested when the day's messages changed. After "
            "another model was released, a backfill scores history again; former answers stay, "
            "told apart by `model_version`."
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
            data_version=dg.DataVersion(_content(rows)),
            metadata={
                **table_metadata(rows, descriptions=INSIGHTS[table]),
                "types": dg.MetadataValue.md(_types(rows)),
                "messages": report.messages,
                "scored_by_this_run": report.scored,
                "model_version": scorer.model_version,
                "release": scorer.release,
                "delta_version": report.versions[table] or 0,
            },
            check_results=[checks.scored_once(lake.root, day, scorer.model_version, key)],
        )


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"delta", "networkx"},
    deps=[
        dg.AssetDep(ENTITIES, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(RELATIONS, partition_mapping=dg.AllPartitionMapping()),
        "participants",
    ],
    description=(
        "Who and what relates to whom, over time: nodes are people and organisations (and what "
        "they relate to) under one spelling, edges are typed and cite their messages. Only the "
        "released model's findings count. Updated with the days that changed since the last "
        "time. Names in pictures and previews are masked, since event logs cannot be erased; "
        "the tables are `relationship_graph/nodes`, `/edges`, `/mentions` and `/evidence`."
    ),
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def relationship_graph(
    context: dg.AssetExecutionContext, lake: LakeResource
) -> dg.MaterializeResult:
    """Bring the graph up to the insights of the released model."""
    from pax_assets.jobs.graph import update_graph
    from pax_assets.jobs.insights import insight_tables
    from pax_assets.jobs.insights.graph_picture import picture

    model_version = released(lake)["model_version"]
    report = update_graph(lake.root, model_version)
    context.log.info("%d days taken in, complete: %s", len(report.days), report.complete)
    nodes = insight_tables.read(lake.root, insight_tables.NODES)
    edges = insight_tables.read(lake.root, insight_tables.EDGES)
    drawn = nodes.to_pylist(), edges.drop_columns(["message_ids"]).to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{_content(nodes)}-{_content(edges)}"),
        metadata={
            **table_metadata(edges, descriptions=EDGES),
            "picture": image(picture(*drawn), "the graph around its most central nodes"),
            "most_central": dg.MetadataValue.md(_most_central(*drawn)),
            "nodes": nodes.num_rows,
            "edges": edges.num_rows,
            "node_preview": dg.MetadataValue.md(preview(nodes)),
            "node_columns": dg.MetadataValue.table_schema(
                table_metadata(nodes, descriptions=NODES)["dagster/column_schema"]
            ),
            "node_types": dg.MetadataValue.md(_types(nodes)),
            "edge_types": dg.MetadataValue.md(_types(edges)),
            "nodes_linked_to_a_participant": (nodes.num_rows - nodes["participant_id"].null_count),
            "days_taken_in": len(report.days),
            "recounted_completely": report.complete,
            "model_version": model_version,
            "nodes_delta_version": report.versions[insight_tables.NODES] or 0,
            "delta_version": report.versions[insight_tables.EDGES] or 0,
        },
    )


def released(lake: LakeResource) -> dict[str, Any]:
    """The released model's record; `MissingArtifact` where none was released yet."""
    folder = lake.artifacts().current("released_model").path
    return json.loads((folder / "release.json").read_text())


def released_scorer(lake: LakeResource) -> "Scorer":
    """What scores with the released model."""
    from pathlib import Path

    from pax_assets.jobs.score import Scorer

    release = released(lake)
    # An absolute path stays as it is.
    folder = Path(lake.root) / release["onnx_path"]
    return Scorer(
        str(folder), release["variant"], release["model_version"], load_settings().threads
    )


def _rows(lake: str, table: str, day: str, model_version: str) -> "pa.Table":
    import pyarrow.compute as pc

    from pax_assets.jobs.insights import insight_tables

    chosen = (pc.field("arrival_day") == day) & (pc.field("model_version") == model_version)
    return insight_tables.read(lake, table, chosen)


def _content(rows: "pa.Table") -> str:
    from pax_assets.jobs.insights.insight_tables import without_scores
    from pax_assets.lake import content_hash

    return content_hash(without_scores(rows))


def _types(rows: "pa.Table") -> str:
    counts = Counter(rows["type"].to_pylist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table([{"type": kind, "count": count} for kind, count in ordered])


def _most_central(nodes: list[Mapping[str, Any]], edges: list[Mapping[str, Any]]) -> str:
    from pax_assets.jobs.insights.graph_picture import central_nodes
    from pax_assets.jobs.insights.names import masked_name

    return markdown_table(
        [
            {
                "rank": rank,
                "name": masked_name(node["name"]),
                "type": node["type"],
                "messages": node["count"],
                "last seen": node["last_seen"].date().isoformat(),
            }
            for rank, node in enumerate(central_nodes(nodes, edges)[:_CENTRAL], start=1)
        ]
    )
