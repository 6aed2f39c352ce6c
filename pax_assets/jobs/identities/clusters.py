"""Which identities are one participant: the connected components of the evidence.

Only clusters that an edge joins, or that may have lost one, are computed anew. So clusters split
when their evidence goes, and a day that repeats what is known costs nothing.

A participant is named after one of its identities (`identity.canonical`). When clusters merge,
one of the two ids stays and the other one is an alias of it: each identity's own id is listed in
`participants.alias_ids`, so whatever was keyed by an old id finds the participant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.identities.identity import canonical, participant_id
from pax_assets.lake import commit, tables
from pax_assets.lake.feature_schemas import IDENTITY_CLUSTERS

EVIDENCE, CLUSTERS = "identity_evidence", "identity_clusters"

Edges = set[tuple[str, str]]


def edges(rows: pa.Table) -> Edges:
    """Return the pairs of identities in rows of evidence."""
    return set(zip(rows["first"].to_pylist(), rows["second"].to_pylist(), strict=True))


def update_clusters(
    lake: str, number: int, gone: Edges | None, came: Edges | None
) -> tuple[int, int]:
    """Bring the clusters up to transaction `number` of the evidence; count merges and splits.

    `gone` and `came` are the pairs by which it differs from the transaction before; None where
    that is not known.
    """
    snapshot = commit.ensure(lake, CLUSTERS)
    at = snapshot.transaction_version(EVIDENCE) or 0
    if at >= number:
        return 0, 0
    stored = tables.read(lake, CLUSTERS, version=snapshot.version())
    named = dict(zip(*(stored[name].to_pylist() for name in stored.column_names), strict=True))
    if gone is None or came is None or at != number - 1:
        # A run was killed between evidence and clusters: what it changed is not known any more.
        touched = set(named) | _ends(edges(tables.read(lake, EVIDENCE)))
    else:
        touched = _ends(gone) | _ends({edge for edge in came if not _together(named, edge)})
    ids = {named[identity] for identity in touched if identity in named}
    affected = touched | {identity for identity, name in named.items() if name in ids}
    components = _components(_edges_among(lake, affected)) if affected else []
    renamed = {
        identity: participant_id(canonical(component))
        for component in components
        for identity in component
    }
    now = {identity: name for identity, name in named.items() if identity not in affected}
    now |= renamed
    if now != named:
        rows = pa.table([list(now), list(now.values())], schema=IDENTITY_CLUSTERS)
        files = commit.write(lake, CLUSTERS, rows.sort_by("identity"))
        remove = commit.partition_files(snapshot, {})
    else:
        files, remove = [], []
    commit.commit(snapshot, files, remove=remove, transaction=(EVIDENCE, number))
    return _counts(named, affected, components)


def _ends(pairs: Edges) -> set[str]:
    return {end for pair in pairs for end in pair}


def _together(named: dict[str, str], edge: tuple[str, str]) -> bool:
    first, second = (named.get(end) for end in edge)
    return first is not None and first == second


def _edges_among(lake: str, identities: Collection[str]) -> Edges:
    among = pa.array(sorted(identities), pa.string())
    chosen = pc.field("first").isin(among) | pc.field("second").isin(among)
    return edges(tables.read(lake, EVIDENCE, ["first", "second"], chosen))


def _components(edges: Edges) -> list[set[str]]:
    """Return the connected components; union-find with path halving (Tarjan, van Leeuwen 1984)."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in edges:
        one, other = root(first), root(second)
        if one != other:
            parent[max(one, other)] = min(one, other)
    found: dict[str, set[str]] = {}
    for node in list(parent):
        found.setdefault(root(node), set()).add(node)
    return list(found.values())


def _counts(
    named: dict[str, str], affected: Collection[str], components: Sequence[set[str]]
) -> tuple[int, int]:
    """How many components hold what were several clusters, and the other way round."""
    before: dict[str, set[int]] = {}
    merged = 0
    place = {identity: n for n, component in enumerate(components) for identity in component}
    for component in components:
        merged += len({named.get(identity, identity) for identity in component}) > 1
    for number, identity in enumerate(sorted(affected)):
        if identity in named:
            # An identity that is left alone has a place of its own.
            before.setdefault(named[identity], set()).add(place.get(identity, -1 - number))
    return merged, sum(len(places) > 1 for places in before.values())
