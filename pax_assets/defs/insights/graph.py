"""The graph of who and what relates to whom, made of what the released model says of the store."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.defs.automation import WHEN_A_DEPENDENCY_CHANGED
from pax_assets.defs.insights.columns import EDGES, NODES
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
from pax_assets.defs.metadata import image, markdown_table, preview, table_metadata
from pax_assets.defs.resources import LakeResource
from pax_assets.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

_CENTRAL = 10


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"delta", "networkx"},
    deps=[
        dg.AssetDep(ENTITIES, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(EVENTS, partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep(RELATIONS, partition_mapping=dg.AllPartitionMapping()),
        "participants",
    ],
    description=(
        "Who and what relates to whom, over time: nodes are people and organisations (and what "
        "they relate to), resolved across messages and channels, edges are typed and cite their "
        "messages; `/timeline` has the events with their times, sums and people, `/values` every "
        "time, sum and address. Only the released model's findings count. Updated with the days "
        "that changed since the last time. Names in pictures and previews are masked, since event "
        "logs cannot be erased; the tables are `relationship_graph/nodes`, `/edges`, `/mentions`, "
        "`/evidence`, `/timeline`, `/values` and `/resolutions`, beside them `graph.graphml` and "
        "`graph.json`. Questions to ask of them: docs/insights.md."
    ),
    automation_condition=WHEN_A_DEPENDENCY_CHANGED,
)
def relationship_graph(
    context: dg.AssetExecutionContext, lake: LakeResource
) -> dg.MaterializeResult:
    """Bring the graph up to the insights of the released model."""
    from pax_assets.jobs.graph import update_graph
    from pax_assets.jobs.insights import insight_tables
    from pax_assets.jobs.insights.graph_export import export_graph
    from pax_assets.jobs.insights.graph_picture import picture
    from pax_assets.jobs.insights.timeline_picture import events_picture
    from pax_assets.jobs.insights.value_rows import Reading

    model_version = released(lake)["model_version"]
    settings = load_settings()
    reading = Reading(settings.default_zone, settings.default_region, settings.date_order)
    report = update_graph(lake.root, model_version, reading)
    exports = export_graph(lake.root)
    context.log.info("%d days taken in, complete: %s", len(report.days), report.complete)
    nodes = insight_tables.read(lake.root, insight_tables.NODES)
    edges = insight_tables.read(lake.root, insight_tables.EDGES)
    timeline = insight_tables.read(lake.root, insight_tables.TIMELINE)
    values = insight_tables.read(lake.root, insight_tables.VALUES)
    mentions = insight_tables.read(lake.root, insight_tables.MENTIONS)
    drawn = nodes.to_pylist(), edges.drop_columns(["message_ids"]).to_pylist()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(
            "-".join(content(rows)[:16] for rows in (nodes, edges, timeline, values))
        ),
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
            "node_types": dg.MetadataValue.md(types(nodes)),
            "edge_types": dg.MetadataValue.md(types(edges)),
            "nodes_linked_to_a_participant": (nodes.num_rows - nodes["participant_id"].null_count),
            "resolved": dg.MetadataValue.md(_resolved(mentions)),
            "values": dg.MetadataValue.md(_values(values)),
            "events": timeline.num_rows,
            "event_types": dg.MetadataValue.md(types(timeline)),
            "events_picture": image(events_picture(timeline), "events a day by type and channel"),
            "exports": dg.MetadataValue.md("\n".join(f"- `{path}`" for path in exports)),
            "days_taken_in": len(report.days),
            "days_resolved_again": len(report.days_resolved_again),
            "recounted_completely": report.complete,
            "model_version": model_version,
            "nodes_delta_version": report.versions[insight_tables.NODES] or 0,
            "delta_version": report.versions[insight_tables.EDGES] or 0,
        },
    )


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


def _resolved(mentions: "pa.Table") -> str:
    """How many mentions were taken for somebody else's node than that of their words."""
    counts = Counter(mentions["resolved_by"].to_pylist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    return markdown_table(
        [{"rule": rule or "its own words", "mentions": count} for rule, count in ordered]
    )


def _values(values: "pa.Table") -> str:
    """How many times, sums and addresses were understood."""
    rows = values.select(["kind", "starts_at", "amount", "address"]).to_pylist()
    every = Counter(row["kind"] for row in rows)
    known = Counter(
        row["kind"] for row in rows if any(row[c] is not None for c in row if c != "kind")
    )
    return markdown_table(
        [{"kind": k, "mentions": every[k], "understood": known[k]} for k in sorted(every)]
    )
