"""What the relationship graph keeps of messages that are erased.

Nodes and edges are counts over many messages, and show words of them: those that an erased message
was evidence of are removed, and the next update of the graph counts everything anew.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.insights.insight_tables import DAYS, EVIDENCE, MENTIONS
from pax_assets.lake import commit, tables


def keys_of_messages(lake: str, ids: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the nodes and the edges that some of the messages were evidence of."""
    among = pc.field("message_id").isin(ids)
    nodes, edges = pa.array([], pa.string()), pa.array([], pa.string())
    if tables.exists(lake, MENTIONS):
        rows = tables.read(lake, MENTIONS, ["node_id"], among)
        nodes = pc.unique(rows["node_id"]).cast(pa.string())
    if tables.exists(lake, EVIDENCE):
        rows = tables.read(lake, EVIDENCE, ["head_node", "type", "tail_node"], among)
        edges = pc.unique(edge(rows)).cast(pa.string())
    return nodes, edges


def edge(rows: pa.Table) -> pa.ChunkedArray:
    """Return a name for each edge of a table of edges or evidence."""
    return pc.binary_join_element_wise(rows["head_node"], rows["type"], rows["tail_node"], "/")


def recount_next_time(lake: str) -> None:
    """Make the next update of the graph count everything: its rows are gone with their days."""

    def attempt() -> None:
        snapshot = tables.open_table(lake, DAYS)
        if snapshot is not None and (remove := commit.partition_files(snapshot, {})):
            commit.commit(snapshot, [], remove=remove)

    commit.retrying(attempt)
