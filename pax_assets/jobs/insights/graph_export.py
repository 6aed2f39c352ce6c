"""The graph as files that other programs open: GraphML and JSON, beside its tables.

Both are written row by row and appear whole or not at all. Names are in them as in the tables, so
an erasure deletes them; the next update writes them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
from pyarrow import fs

from pax_assets.jobs.insights.insight_tables import EDGES, NODES, read
from pax_assets.lake import tables

Row = Mapping[str, Any]

FILES = ("graph.graphml", "graph.json")
_FOLDER = "relationship_graph"
_ROWS_AT_ONCE = 10_000
# What XML 1.0 cannot hold in any spelling: names come out of messages as they were sent.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NODE = {
    "type": "string",
    "name": "string",
    "normalized_name": "string",
    "count": "long",
    "confidence": "double",
    "first_seen": "string",
    "last_seen": "string",
    "participant_id": "string",
}
_EDGE = {
    "type": "string",
    "count": "long",
    "confidence": "double",
    "mean_confidence": "double",
    "first_seen": "string",
    "last_seen": "string",
    "message_ids": "string",
}


def export_graph(lake: str, folder: str | None = None) -> list[str]:
    """Write both files of the graph in `lake`; return their addresses.

    `folder` is a directory or an `s3://` address; beside the tables if None. Former files are
    replaced. In GraphML an edge's `message_ids` are joined by blanks, and characters that XML has
    no place for are U+FFFD.
    """
    root = f"{lake.rstrip('/')}/{_FOLDER}" if folder is None else folder.rstrip("/")
    nodes, edges = read(lake, NODES), read(lake, EDGES)
    system, path = tables.filesystem(root)
    tables.make_folder(system, path)
    writers: dict[str, Callable[[IO[bytes], pa.Table, pa.Table], None]] = {
        "graph.graphml": _graphml,
        "graph.json": _json,
    }
    for name in FILES:
        _written(system, path, name, lambda to, name=name: writers[name](to, nodes, edges))
    return [f"{root}/{name}" for name in FILES]


def delete_exports(lake: str) -> int:
    """Delete the files beside the tables, half-written ones too; return how many there were."""
    system, path = tables.filesystem(f"{lake.rstrip('/')}/{_FOLDER}")
    every = [f"{path}/{prefix}{name}" for name in FILES for prefix in ("", ".")]
    there = [info.path for info in system.get_file_info(every) if info.type == fs.FileType.File]
    for name in there:
        system.delete_file(name)
    return len(there)


def _written(
    system: fs.FileSystem, folder: str, name: str, write: Callable[[IO[bytes]], None]
) -> None:
    """Let `write` fill a file that nobody sees before it is whole."""
    local = system.type_name != "s3"
    # An object of S3 is not there before its stream is closed.
    path = f"{folder}/.{name}" if local else f"{folder}/{name}"
    with system.open_output_stream(path) as to:
        write(to)
    if local:
        system.move(path, f"{folder}/{name}")


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from batch.to_pylist()


def _graphml(to: IO[bytes], nodes: pa.Table, edges: pa.Table) -> None:
    to.write(
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    )
    for prefix, kind, columns in (("n", "node", _NODE), ("e", "edge", _EDGE)):
        for name, of in columns.items():
            key = (
                f'  <key id="{prefix}_{name}" for="{kind}" attr.name="{name}" attr.type="{of}"/>\n'
            )
            to.write(key.encode())
    to.write(b'  <graph edgedefault="directed">\n')
    for row in _rows(nodes):
        to.write(
            f"    <node id={_attribute(row['node_id'])}>{_data('n', _NODE, row)}</node>\n".encode()
        )
    for number, row in enumerate(_rows(edges)):
        ends = f"source={_attribute(row['head_node'])} target={_attribute(row['tail_node'])}"
        # Several relations may join the same two nodes: an id tells them apart.
        to.write(f'    <edge id="e{number}" {ends}>{_data("e", _EDGE, row)}</edge>\n'.encode())
    to.write(b"  </graph>\n</graphml>\n")


def _data(prefix: str, columns: Mapping[str, str], row: Row) -> str:
    return "".join(
        f'<data key="{prefix}_{name}">{escape(_legal(_plain(row[name])))}</data>'
        for name in columns
        if row[name] is not None
    )


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return " ".join(value) if isinstance(value, list) else str(value)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _json(to: IO[bytes], nodes: pa.Table, edges: pa.Table) -> None:
    """networkx' node-link form: `networkx.node_link_graph(data, edges="edges")`."""
    to.write(b'{"directed": true, "multigraph": true, "graph": {},\n"nodes": [')
    _items(to, ({"id": row.pop("node_id"), **row} for row in _rows(nodes)))
    to.write(b'],\n"edges": [')
    _items(
        to,
        (
            {
                "source": row["head_node"],
                "target": row["tail_node"],
                "key": row["type"],
                **{name: row[name] for name in _EDGE},
            }
            for row in _rows(edges)
        ),
    )
    to.write(b"]}\n")


def _items(to: IO[bytes], rows: Iterator[Row]) -> None:
    for number, row in enumerate(rows):
        to.write(b",\n" if number else b"\n")
        # Escaped: a lone half of a surrogate pair has no bytes.
        to.write(json.dumps(row, default=lambda at: at.isoformat()).encode("ascii"))
