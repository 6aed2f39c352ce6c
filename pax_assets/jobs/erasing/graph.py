"""What the relationship graph keeps of messages that are erased.

Nodes and edges are counts over many messages, and show words of them: those that an erased message
was evidence of are removed, and the next update of the graph counts everything anew.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.erasing.subjects import Subjects
from pax_assets.jobs.insights.graph_export import delete_exports
from pax_assets.jobs.insights.insight_tables import (
    CONTEXT,
    DAYS,
    EDGES,
    EVIDENCE,
    MENTIONS,
    NODES,
    PEOPLE,
    RESOLUTIONS,
)
from pax_assets.lake import commit, tables


def keys_of_messages(lake: str, ids: pa.Array, person: Subjects) -> tuple[pa.Array, pa.Array]:
    """Return the nodes and the edges that some of the messages were evidence of.

    Also the nodes of the participants that the person is: a name that they gave themselves may
    stand in rows of messages in which others only wrote their first name.
    """
    among = pc.field("message_id").isin(ids)
    nodes, edges = pa.array([], pa.string()), pa.array([], pa.string())
    if tables.exists(lake, MENTIONS):
        rows = tables.read(lake, MENTIONS, ["node_id"], among)
        nodes = pc.unique(rows["node_id"]).cast(pa.string())
    if tables.exists(lake, PEOPLE):
        rows = tables.read(lake, PEOPLE)
        own = pc.unique(rows.filter(pa.array(person.mentioned(rows)))["node_id"])
        nodes = pc.unique(pa.concat_arrays([nodes, own.cast(pa.string())]))
    if tables.exists(lake, EVIDENCE):
        rows = tables.read(lake, EVIDENCE, ["head_node", "type", "tail_node"], among)
        edges = pc.unique(edge(rows)).cast(pa.string())
    return nodes, edges


def of_nodes(table: str, rows: pa.Table, nodes: pa.Array, edges: pa.Array) -> np.ndarray:
    """Return which rows of a graph table are of nodes or edges that go.

    A mention by which one node was taken for another tells what the erased messages said; one by
    its own words tells nothing but what its own message does.
    """
    gone = np.zeros(rows.num_rows, bool)
    if table in (NODES, PEOPLE):
        gone |= _among(rows["node_id"], nodes)
    if table == MENTIONS and "spelled_node" in rows.column_names:
        other = pc.not_equal(rows["node_id"], rows["spelled_node"])
        gone |= _among(rows["node_id"], nodes) & pc.fill_null(other, False).to_numpy()
    if table == EDGES:
        gone |= _among(edge(rows), edges) | _among(rows["head_node"], nodes)
        gone |= _among(rows["tail_node"], nodes)
    return gone


def _among(values: pa.ChunkedArray, wanted: pa.Array) -> np.ndarray:
    return pc.is_in(values.cast(pa.string()), wanted).to_numpy()


def edge(rows: pa.Table) -> pa.ChunkedArray:
    """Return a name for each edge of a table of edges or evidence."""
    return pc.binary_join_element_wise(rows["head_node"], rows["type"], rows["tail_node"], "/")


def recount_next_time(lake: str) -> None:
    """Make the next update of the graph count everything: its rows are gone with their days.

    What it counts names from goes whole: who was named in which conversation does not say in which
    message. The files are deleted, for they hold the same names; the next update writes them.
    """
    delete_exports(lake)
    for table in (CONTEXT, RESOLUTIONS, DAYS):
        commit.retrying(partial(_empty, lake, table))


def _empty(lake: str, table: str) -> None:
    snapshot = tables.open_table(lake, table)
    if snapshot is not None and (remove := commit.partition_files(snapshot, {})):
        commit.commit(snapshot, [], remove=remove)
