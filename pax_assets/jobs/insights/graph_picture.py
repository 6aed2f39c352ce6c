"""The relationship graph as one picture: the most central people and what they relate to.

A table of edges shows no shape. The picture goes into the event log of Dagster, which cannot be
erased, so it carries no name: a person or organisation is labelled with its rank and its initials
("3  A. K."), anything else with its type. Whoever may read the lake finds the name by the rank:
`central_nodes` gives the same order.
"""

from __future__ import annotations

import io
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pax_assets.jobs.insights.names import is_organization, is_person, masked_name

Row = Mapping[str, Any]

_PERSON, _ORGANIZATION, _OTHER = "#2f6db5", "#c9662b", "#6f7d8c"
_NODE_RADIUS = 0.046  # of the picture's height, the unit in which the layout works
_WIDTH, _HEIGHT = 1.5, 1.0
_INCHES = 8.0
_NEIGHBOURS = 5
_SMALL: dict[str, Any] = {"fontsize": 9, "va": "center"}
# Dark enough for text on white, apart enough for the common forms of colour blindness.
_RELATION_COLOURS = (
    "#0b6e99", "#a3466b", "#4d7c0f", "#7a4fbf", "#9a6700", "#b42318", "#0f766e", "#475467"
)  # fmt: skip


def central_nodes(nodes: Sequence[Row], edges: Sequence[Row]) -> list[Row]:
    """Return the people and organisations that have edges, most central first.

    Centrality is the number of messages behind a node's edges. Ties go by node id, so that the
    order does not depend on the order of the rows. `nodes` need `node_id` and `type`, `edges`
    need `head_node`, `tail_node` and `count`.
    """
    weight: dict[str, int] = defaultdict(int)
    for edge in edges:
        weight[edge["head_node"]] += edge["count"]
        weight[edge["tail_node"]] += edge["count"]
    parties = [
        n
        for n in nodes
        if weight[n["node_id"]] and (is_person(n["type"]) or is_organization(n["type"]))
    ]
    return sorted(parties, key=lambda n: (-weight[n["node_id"]], n["node_id"]))


def picture(nodes: Sequence[Row], edges: Sequence[Row], limit: int = 24) -> bytes:
    """Return a PNG of the graph around its most central people and organisations.

    At most `limit` nodes are shown, each of the central ones with its strongest neighbours. An
    empty graph gives a picture that says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ranking = central_nodes(nodes, edges)
    ranks = {node["node_id"]: rank for rank, node in enumerate(ranking, start=1)}
    shown, links = _selection(nodes, edges, ranks, limit)
    colours = _relation_colours(links)
    figure = Figure(figsize=(_WIDTH * _INCHES, _HEIGHT * _INCHES), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT), aspect="equal")
    axes.axis("off")
    if shown:
        positions = _layout([n["node_id"] for n in shown], list(links))
        boxes = [(x, y, _NODE_RADIUS, _NODE_RADIUS) for x, y in positions.values()]
        for (head, tail), found in links.items():
            others = [xy for key, xy in positions.items() if key not in (head, tail)]
            arrow = _Arrow.around(positions[head], positions[tail], others, (tail, head) in links)
            _draw_arrow(axes, arrow, found, colours, boxes)
        for node in shown:
            _draw_node(axes, positions[node["node_id"]], node, ranks.get(node["node_id"]))
    else:
        axes.text(_WIDTH / 2, _HEIGHT / 2, "no relations found yet", ha="center", va="center")
    _draw_legend(axes, colours)
    counts = f"{len(shown)} of {len(nodes)} nodes · {sum(map(len, links.values()))} of {len(edges)}"
    axes.text(
        _WIDTH - 0.03,
        0.025,
        f"{counts} edges · names masked",
        **{**_SMALL, "ha": "right", "color": "#57606a"},
    )
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _selection(
    nodes: Sequence[Row], edges: Sequence[Row], ranks: Mapping[str, int], limit: int
) -> tuple[list[Row], dict[tuple[str, str], list[Row]]]:
    """The nodes to show and the edges between them by (head, tail).

    From the most central node outwards: the best ranked node that is in the picture brings its
    strongest neighbours, a few each, so that what is shown hangs together and no star fills it.
    Where a part of the graph ends, the best ranked node outside begins the next one.
    """
    by_id = {n["node_id"]: n for n in nodes}
    strongest = sorted(
        edges, key=lambda e: (-e["count"], e["head_node"], e["type"], e["tail_node"])
    )
    neighbours: dict[str, list[str]] = defaultdict(list)
    for edge in strongest:
        neighbours[edge["head_node"]].append(edge["tail_node"])
        neighbours[edge["tail_node"]].append(edge["head_node"])
    chosen: dict[str, Row] = {}
    waiting = list(ranks)
    while waiting and len(chosen) < limit - 1:
        node = next((key for key in waiting if key in chosen), waiting[0])
        waiting.remove(node)
        new = [key for key in dict.fromkeys(neighbours[node]) if key not in chosen]
        for key in (node, *new[:_NEIGHBOURS]):
            if len(chosen) < limit:
                chosen[key] = by_id[key]
    links: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for edge in strongest:
        if edge["head_node"] in chosen and edge["tail_node"] in chosen:
            links[edge["head_node"], edge["tail_node"]].append(edge)
    linked = {end for pair in links for end in pair}
    return [n for key, n in chosen.items() if key in linked], dict(links)


def _layout(
    keys: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> dict[str, tuple[float, float]]:
    """Positions inside the frame in which no two nodes touch. The same graph, the same layout."""
    import networkx
    import numpy

    graph = networkx.Graph(pairs)
    # Parts without a link would fly into the corners; a weak one keeps them in sight.
    hubs = [min(part, key=keys.index) for part in networkx.connected_components(graph)]
    graph.add_edges_from(itertools.pairwise(sorted(hubs, key=keys.index)), weight=0.15)
    start = networkx.circular_layout(sorted(graph))
    raw = networkx.spring_layout(
        graph, k=2.2 / math.sqrt(len(keys)), pos=start, iterations=300, seed=7, method="force"
    )
    points = numpy.array([raw[key] for key in keys])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = numpy.array([0.07, 0.07])
    room = numpy.array([_WIDTH, _HEIGHT - 0.08]) - 2 * margin
    origin = margin + numpy.array([0.0, 0.08])
    points = origin + (points - low) / numpy.maximum(high - low, 1e-9) * room
    apart = 4.2 * _NODE_RADIUS
    for _ in range(200):
        gap = points[:, None, :] - points[None, :, :]
        distance = numpy.hypot(gap[..., 0], gap[..., 1])
        numpy.fill_diagonal(distance, numpy.inf)
        close = distance < apart
        if not close.any():
            break
        push = numpy.where(close, apart / numpy.maximum(distance, 1e-6) - 1.0, 0.0)
        points = points + 0.5 * (gap * push[..., None]).sum(axis=1)
        points = numpy.clip(points, origin, origin + room)
    return {key: (float(x), float(y)) for key, (x, y) in zip(keys, points, strict=True)}


@dataclass(frozen=True)
class _Arrow:
    """The quadratic curve of matplotlib's `arc3` from `head` to `tail`, bent by `bend`."""

    head: tuple[float, float]
    tail: tuple[float, float]
    bend: float

    @classmethod
    def around(
        cls,
        head: tuple[float, float],
        tail: tuple[float, float],
        others: Sequence[tuple[float, float]],
        both_ways: bool,
    ) -> _Arrow:
        """The straightest arrow that passes behind no other node, or the one that passes best."""
        bends = (0.16, 0.28, 0.4) if both_ways else (0.0, 0.14, -0.14, 0.28, -0.28, 0.4, -0.4)
        arrows = [cls(head, tail, bend) for bend in bends]
        for arrow in arrows:
            if arrow._clearance(others) > 1.15 * _NODE_RADIUS:
                return arrow
        return max(arrows, key=lambda arrow: arrow._clearance(others))

    def at(self, t: float) -> tuple[float, float]:
        """The point at `t` in [0, 1]."""
        dx, dy = self.tail[0] - self.head[0], self.tail[1] - self.head[1]
        control = (
            (self.head[0] + self.tail[0]) / 2 + self.bend * dy,
            (self.head[1] + self.tail[1]) / 2 - self.bend * dx,
        )
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        return (
            a * self.head[0] + b * control[0] + c * self.tail[0],
            a * self.head[1] + b * control[1] + c * self.tail[1],
        )

    def _clearance(self, others: Sequence[tuple[float, float]]) -> float:
        points = [self.at(step / 16) for step in range(1, 16)]
        return min(
            (math.dist(point, other) for point in points for other in others), default=math.inf
        )


def _draw_arrow(
    axes: Any,
    arrow: _Arrow,
    found: Sequence[Row],
    colours: Mapping[str, str],
    boxes: list[tuple[float, float, float, float]],
) -> None:
    """Draw an arrow in the colour of its strongest relation, and its types where there is room.

    Without room the arrow stays without words: a label on top of another one would make both
    unreadable, and the colour still says the type.
    """
    from matplotlib.patches import FancyArrowPatch

    colour = colours.get(found[0]["type"], _OTHER)
    axes.add_patch(
        FancyArrowPatch(
            arrow.head,
            arrow.tail,
            connectionstyle=f"arc3,rad={arrow.bend}",
            arrowstyle="-|>",
            mutation_scale=13,
            shrinkA=_NODE_RADIUS * _INCHES * 72,
            shrinkB=_NODE_RADIUS * _INCHES * 72 + 1,
            color=colour,
            linewidth=1.0 + min(2.0, 0.5 * math.log2(found[0]["count"])),
            zorder=1,
        )
    )
    lines = [
        edge["type"].replace("_", " ") + (f" ×{edge['count']}" if edge["count"] > 1 else "")
        for edge in found[:3]
    ]
    width, height = 0.0053 * max(map(len, lines)), 0.0105 * len(lines)
    for t in (0.5, 0.44, 0.56, 0.38, 0.62, 0.33, 0.67, 0.29, 0.71):
        x, y = arrow.at(t)
        if all(abs(x - bx) > width + bw or abs(y - by) > height + bh for bx, by, bw, bh in boxes):
            boxes.append((x, y, width, height))
            box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
            style = {"fontsize": 8, "ha": "center", "va": "center", "color": colour, "zorder": 2}
            axes.text(x, y, "\n".join(lines), bbox=box, **style)
            return


def _draw_node(axes: Any, place: tuple[float, float], node: Row, rank: int | None) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(
        Circle(
            place,
            _NODE_RADIUS,
            facecolor=_colour(node["type"]),
            edgecolor="white",
            linewidth=2,
            zorder=3,
        )
    )
    # Of a place, a sum or a date, initials say nothing; its type does.
    label = masked_name(node["name"]) if rank else node["type"].replace("_", " ")[:10]
    axes.text(
        *place,
        f"{rank}\n{label}" if rank else label,
        color="white",
        fontsize=9 if len(label) < 8 else 7.5,
        fontweight="bold",
        ha="center",
        va="center",
        zorder=4,
    )


def _colour(kind: str) -> str:
    if is_person(kind):
        return _PERSON
    return _ORGANIZATION if is_organization(kind) else _OTHER


def _relation_colours(links: Mapping[tuple[str, str], Sequence[Row]]) -> dict[str, str]:
    """A colour for each relation type shown, most frequent first; grey when they run out."""
    count: dict[str, int] = defaultdict(int)
    for found in links.values():
        for edge in found:
            count[edge["type"]] += 1
    ordered = sorted(count, key=lambda kind: (-count[kind], kind))
    return dict(zip(ordered, _RELATION_COLOURS, strict=False))


def _draw_legend(axes: Any, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Circle

    x = 0.04
    for label, colour in (("person", _PERSON), ("organization", _ORGANIZATION), ("other", _OTHER)):
        axes.add_patch(Circle((x, 0.025), 0.01, facecolor=colour))
        axes.text(x + 0.017, 0.025, label, **_SMALL)
        x += 0.045 + 0.0105 * len(label)
    x = 0.03
    for label, colour in colours.items():
        axes.plot([x, x + 0.03], [0.06, 0.06], color=colour, linewidth=2.5)
        axes.text(x + 0.037, 0.06, label.replace("_", " "), **_SMALL)
        x += 0.06 + 0.0105 * len(label)
