"""The graph as files: other programs read them, whatever people wrote, and they appear whole."""

from __future__ import annotations

import json
from pathlib import Path

import networkx
import pytest

from pax_assets.jobs import graph
from pax_assets.jobs.graph import update_graph
from pax_assets.jobs.insights import graph_export
from pax_assets.jobs.insights.graph_export import FILES, delete_exports, export_graph
from pax_assets.jobs.insights.insight_tables import EDGES
from pax_assets_tests.jobs.insights.store import ANNA, ME, Message, put_days

HOSTILE = ["Anna <b>&\"'", "\x00\x0b\x1f Ben \x85", "\ufffe דנה \u202e😀", "]]>", "a\r\nb"]


@pytest.fixture
def hostile(lake: str) -> str:
    said = {**dict.fromkeys(HOSTILE, "person"), "Acme": "organization"}
    related = [(name, kind, "Acme") for name in HOSTILE for kind in ("works_for", "owns & runs")]
    put_days(lake, [Message("a", "2026-01-05T10:00", ANNA, [ME], said, relations=related)])
    update_graph(lake, "m1")
    return lake


def test_networkx_reads_both_files(hostile: str) -> None:
    paths = [Path(path) for path in export_graph(hostile)]
    assert [path.name for path in paths] == list(FILES)
    xml = networkx.read_graphml(paths[0])
    plain = networkx.node_link_graph(json.loads(paths[1].read_text()), edges="edges")
    for found in (xml, plain):
        assert isinstance(found, networkx.MultiDiGraph)
        assert (found.number_of_nodes(), found.number_of_edges()) == (6, 10)
    assert set(xml.nodes) == set(plain.nodes)
    assert {data["name"] for _, data in plain.nodes(data=True)} == {*HOSTILE, "Acme"}
    names = {data["name"] for _, data in xml.nodes(data=True)}
    assert {"Anna <b>&\"'", "]]>", "\ufffd\ufffd\ufffd Ben \x85"} <= names
    [edge] = [data for *_, data in xml.edges(data=True) if data["type"] == "owns & runs"][:1]
    assert (edge["count"], edge["message_ids"]) == (1, "a")
    kinds = {key for *_, key in plain.edges(keys=True)}
    assert kinds == {"works_for", "owns & runs"}


def test_an_empty_graph_is_a_graph(lake: str) -> None:
    update_graph(lake, "m1")
    xml, plain = export_graph(lake)
    assert networkx.read_graphml(xml).number_of_nodes() == 0
    assert json.loads(Path(plain).read_text())["edges"] == []


def test_an_export_that_fails_leaves_the_former_one(hostile: str, monkeypatch) -> None:
    before = [Path(path).read_bytes() for path in export_graph(hostile)]

    def full(to, nodes, edges):
        to.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(graph_export, "_graphml", full)
    with pytest.raises(OSError, match="no space"):
        export_graph(hostile)
    folder = Path(hostile) / "relationship_graph"
    assert [(folder / name).read_bytes() for name in FILES] == before
    assert delete_exports(hostile) == 3
    assert not [path for path in folder.iterdir() if path.is_file()]


def test_the_same_graph_gives_the_same_bytes(hostile: str, tmp_path: Path) -> None:
    one, other = export_graph(hostile, f"{tmp_path}/a/b"), export_graph(hostile)
    assert [Path(p).read_bytes() for p in one] == [Path(p).read_bytes() for p in other]


def test_the_command_updates_and_exports(hostile: str, tmp_path: Path, capsys) -> None:
    said = {"Eve Moss": "person", "Acme": "organization"}
    related = [("Eve Moss", "works_for", "Acme")]
    put_days(hostile, [Message("b", "2026-01-06T10:00", ANNA, [ME], said, relations=related)])
    graph.main(["--lake", hostile, "--to", str(tmp_path), "--model-version", "m1"])
    report = json.loads(capsys.readouterr().out)
    assert (report["days"], report["edges"]) == (["2026-01-06"], 11)
    assert networkx.read_graphml(tmp_path / "graph.graphml").number_of_edges() == 11
    assert insight_rows(hostile) == 11


def insight_rows(lake: str) -> int:
    from pax_assets.jobs.insights.insight_tables import read

    return read(lake, EDGES).num_rows


def test_a_folder_that_is_no_lake_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"pax graph: .*nowhere"):
        graph.main(["--lake", str(tmp_path / "nowhere")])
