"""What batch scoring and the graph share: keys, the released model, what a run shows of rows."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from pax_assets.defs.metadata import markdown_table
from pax_assets.defs.resources import LakeResource

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = "insights"
OWNERS = ["team:data", "team:ml"]
ENTITIES, EVENTS, RELATIONS = (
    dg.AssetKey(["insights", name]) for name in ("entities", "events", "relations")
)


def released(lake: LakeResource) -> dict[str, Any]:
    """The released model's record; `MissingArtifact` where none was released yet."""
    folder = lake.artifacts().current("released_model").path
    return json.loads((folder / "release.json").read_text())


def content(rows: pa.Table) -> str:
    """The data version of rows: a digest that does not know their order or their scores."""
    from pax_assets.jobs.insights.insight_tables import without_scores
    from pax_assets.lake import content_hash

    return content_hash(without_scores(rows))


def types(rows: pa.Table) -> str:
    """A Markdown table of how many rows each type has."""
    counts = Counter(rows["type"].to_pylist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table([{"type": kind, "count": count} for kind, count in ordered])
