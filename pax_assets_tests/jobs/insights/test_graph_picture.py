"""The picture of the graph: what is in it, that nothing lies on anything, and that no name shows.

What it looks like was judged by eye; here is what a program can judge.
"""

from __future__ import annotations

import itertools
import math
import random

import pytest
from matplotlib.axes import Axes

from pax_assets.jobs.insights import graph_picture
from pax_assets.jobs.insights.graph_picture import central_nodes, picture

NAMES = ["Anna Keller", "Boris Ivanov", "Chloé Dubois", "Acme Corp.", "+1 555 0100"]


def node(key: str, kind: str = "person", name: str = "Anna Keller") -> dict:
    return {"node_id": key, "type": kind, "name": name}


def edge(head: str, tail: str, count: int = 1, kind: str = "knows") -> dict:
    return {"head_node": head, "tail_node": tail, "type": kind, "count": count}


def random_graph(size: int, links: int, seed: int = 3) -> tuple[list[dict], list[dict]]:
    chance = random.Random(seed)
    kinds = ["person", "person", "organization", "location"]
    nodes = [node(f"n{i}", chance.choice(kinds), chance.choice(NAMES)) for i in range(size)]
    pairs = {tuple(chance.sample(range(size), 2)) for _ in range(links)}
    return nodes, [edge(f"n{a}", f"n{b}", chance.randrange(1, 9)) for a, b in sorted(pairs)]


def test_central_is_who_has_most_messages_behind_their_edges() -> None:
    nodes = [node("a"), node("b"), node("c"), node("x", "location"), node("lonely")]
    edges = [edge("a", "x", 9), edge("b", "a", 2), edge("c", "b", 3)]
    assert [n["node_id"] for n in central_nodes(nodes, edges)] == ["a", "b", "c"]


def test_the_order_of_rows_does_not_change_the_picture() -> None:
    nodes, edges = random_graph(30, 60)
    assert picture(nodes[::-1], edges[::-1]) == picture(nodes, edges)


@pytest.mark.parametrize(("size", "links"), [(0, 0), (2, 0), (2, 1), (8, 7), (40, 20), (80, 400)])
def test_any_size_of_graph_gives_a_small_png(size: int, links: int) -> None:
    nodes, edges = random_graph(size, links)
    png = picture(nodes, edges)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 300_000


def test_what_is_written_in_the_picture_are_ranks_initials_and_types(monkeypatch) -> None:
    written: list[str] = []
    real = Axes.text

    def text(self, x, y, s, *args, **kwargs):
        written.append(s)
        return real(self, x, y, s, *args, **kwargs)

    monkeypatch.setattr(Axes, "text", text)
    nodes, edges = random_graph(40, 90)
    picture(nodes, edges)
    everything = "\n".join(written)
    for name in NAMES:
        for word in name.split():
            assert word not in everything
    assert "1\n" in everything
    assert "names masked" in everything


@pytest.mark.parametrize("seed", range(5))
def test_no_node_lies_on_another(seed: int) -> None:
    nodes, edges = random_graph(60, 150, seed)
    ranks = {n["node_id"]: i for i, n in enumerate(central_nodes(nodes, edges), start=1)}
    shown, links = graph_picture._selection(nodes, edges, ranks, 24)
    assert len(shown) == 24
    places = graph_picture._layout([n["node_id"] for n in shown], list(links))
    for one, other in itertools.combinations(places.values(), 2):
        assert math.dist(one, other) > 2 * graph_picture._NODE_RADIUS
    for x, y in places.values():
        assert 0 < x < graph_picture._WIDTH
        assert 0 < y < graph_picture._HEIGHT
