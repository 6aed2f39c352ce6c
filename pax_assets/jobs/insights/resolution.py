"""Who a name or an address means: first what participants go by, then what a conversation says.

Two steps, because they differ in reach. An address belongs to one participant everywhere, and so
does a full name that only one participant has. A first name means somebody only in a conversation
in which exactly one person of that name takes part or is named in full. Whatever fits two people
stays a node of its own. Each resolution keeps its rule and how far the rule is to be trusted, so
that a wrong one can be found; nothing is guessed from frequency, so the order of days does not
matter.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pax_assets.jobs.identities.identity import canonical, participant_id
from pax_assets.jobs.insights.insight_tables import PEOPLE, RESOLUTIONS, SCHEMAS
from pax_assets.jobs.insights.names import PEOPLE as PERSON_LABELS
from pax_assets.jobs.insights.names import is_person, node_id, normalized_name

# Rules, and how far each is to be trusted.
IDENTITY, PARTICIPANT_NAME = "identity", "participant_name"
SENDER, RECIPIENT = "sender", "recipient"
PRESENT_RULE, NAMED_RULE = "participant_in_conversation", "named_in_conversation"
CONFIDENCE = {
    IDENTITY: 1.0,
    SENDER: 0.95,
    RECIPIENT: 0.9,
    PARTICIPANT_NAME: 0.95,
    PRESENT_RULE: 0.9,
    NAMED_RULE: 0.8,
}
# Kinds of rows of `relationship_graph/context`.
PRESENT, NAMED, ADDRESS = "present", "named", "address"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph and what led to it; `rule` None means its own words."""

    node_id: str
    type: str
    normalized_name: str
    rule: str | None = None

    @property
    def confidence(self) -> float | None:
        """How far the rule is to be trusted; None without one."""
        return None if self.rule is None else CONFIDENCE[self.rule]


def address_node(address: str) -> str:
    """The node of an address that is nobody's, whatever its label is called."""
    return node_id(address, "address")


def people_rows(participants: pa.Table) -> pa.Table:
    """Return what participants go by: a row for each address and each name.

    A participant's node is that of the most complete name that nobody else has; without one it is
    a node of their own. Sorted.
    """
    rows = sorted(participants.to_pylist(), key=lambda row: row["participant_id"])
    names = {row["participant_id"]: _display_names(row) for row in rows}
    owners: dict[str, set[str]] = defaultdict(set)
    for key, own in names.items():
        for normalized in own:
            owners[normalized].add(key)
    out = []
    for row in rows:
        key = row["participant_id"]
        owned = [n for n in names[key] if " " in n and len(owners[n]) == 1]
        identities = sorted({i["value"] for i in row["identities"] or ()})
        if owned:
            chosen = min(owned, key=lambda n: (-n.count(" "), -len(n), n))
            node, shown = node_id(chosen, "person"), names[key][chosen]
        else:
            digest = json.dumps(["participant", key], separators=(",", ":")).encode()
            node = hashlib.sha256(digest).hexdigest()[:32]
            first = min(names[key], default=None)
            chosen = first or (canonical(identities) if identities else key)
            shown = names[key][first] if first else chosen
        of = {"participant_id": key, "node_id": node, "name": shown, "normalized_name": chosen}
        for identity in identities:
            out.append(  # noqa: PERF401 - two loops of rows, one list
                {
                    **of,
                    "kind": IDENTITY,
                    "value": identity,
                    "alias_id": participant_id(identity),
                    "spelled_node": address_node(identity),
                    "everywhere": True,
                }
            )
        for normalized in sorted(names[key]):
            for label in sorted(PERSON_LABELS):
                out.append(  # noqa: PERF401
                    {
                        **of,
                        "kind": "name",
                        "value": normalized,
                        "spelled_node": node_id(normalized, label),
                        "everywhere": normalized in owned,
                    }
                )
    return pa.Table.from_pylist(out, schema=SCHEMAS[PEOPLE])


def _display_names(row: Mapping[str, Any]) -> dict[str, str]:
    """Normalised name to how it is written; an address that is shown as a name is none."""
    found: dict[str, str] = {}
    for name in sorted(row["display_names"] or ()):
        normalized = normalized_name(name, "person")
        if "@" not in name and any(c.isalpha() for c in normalized):
            found.setdefault(normalized, name)
    return found


class People:
    """`relationship_graph/people`, to be asked."""

    def __init__(self, rows: pa.Table) -> None:
        self.everywhere: dict[str, Node] = {}
        self.participants: dict[str, str] = {}
        self.by_alias: dict[str, Node] = {}
        self.names: dict[str, set[str]] = defaultdict(set)
        # How a node is written; it may never be mentioned by that name.
        self.shown: dict[str, str] = {}
        for row in rows.to_pylist():
            key = row["node_id"]
            rule = IDENTITY if row["kind"] == IDENTITY else PARTICIPANT_NAME
            node = Node(key, "person", row["normalized_name"], rule)
            self.participants[key] = row["participant_id"]
            self.shown[key] = row["name"]
            if row["everywhere"] and row["spelled_node"] != key:
                self.everywhere[row["spelled_node"]] = node
            if row["kind"] == IDENTITY:
                self.by_alias[row["alias_id"]] = node
            else:
                self.names[key].add(row["value"])


def resolutions_of(context: pa.Table, people: People) -> pa.Table:
    """Return which names mean somebody in the conversations of `context`, whole conversations.

    One row for each conversation and node of a name that means another node there. Sorted.
    """
    present: dict[str, set[str]] = defaultdict(set)
    named: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for row in context.to_pylist():
        if row["kind"] == PRESENT:
            node = people.by_alias.get(row["key"])
            if node is not None:
                present[row["conversation_id"]].add(node.node_id)
        elif row["kind"] == NAMED:
            named[row["conversation_id"]].add((row["key"], row["type"], row["normalized_name"]))
    out = []
    for conversation in sorted(named):
        found = _in_conversation(named[conversation], present[conversation], people)
        for spelled, node in sorted(found.items()):
            out.append(
                {
                    "conversation_id": conversation,
                    "spelled_node": spelled,
                    "node_id": node.node_id,
                    "type": node.type,
                    "normalized_name": node.normalized_name,
                    "resolved_by": node.rule,
                    "confidence": node.confidence,
                }
            )
    return pa.Table.from_pylist(out, schema=SCHEMAS[RESOLUTIONS])


def _in_conversation(
    named: Iterable[tuple[str, str, str]], present: set[str], people: People
) -> dict[str, Node]:
    """Who the names of one conversation mean, by the node of their words."""
    full = [entry for entry in named if " " in entry[2]]
    short = [entry for entry in named if " " not in entry[2]]
    found: dict[str, Node] = {}
    for spelled, _, name in full:
        if spelled in people.everywhere or spelled in people.participants:
            continue
        # Two participants of one name: here it is the one who is here.
        of_that_name = {key for key in present if name in people.names.get(key, ())}
        if len(of_that_name) == 1:
            found[spelled] = _present(of_that_name.pop(), people)
    by_first: dict[str, set[Node]] = defaultdict(set)
    for key in present:
        node = _present(key, people)
        for name in people.names.get(key, ()):
            by_first[name.split(" ")[0]].add(node)
    for spelled, kind, name in full:
        node = found.get(spelled) or people.everywhere.get(spelled)
        whom = Node(spelled, kind, name) if node is None else node
        by_first[name.split(" ")[0]].add(
            Node(whom.node_id, whom.type, whom.normalized_name, NAMED_RULE)
        )
    for spelled, _, name in short:
        if spelled in people.everywhere:
            continue
        candidates = by_first.get(name, set())
        if len({node.node_id for node in candidates}) == 1:
            node = max(candidates, key=lambda node: (node.confidence or 0.0, node.type))
            if node.node_id != spelled:
                found[spelled] = node
    return found


def _present(key: str, people: People) -> Node:
    normalized = normalized_name(people.shown[key], "person")
    return Node(key, "person", normalized, PRESENT_RULE)


class Resolver:
    """Answers for the node of words in a conversation."""

    def __init__(self, people: People, resolutions: pa.Table) -> None:
        self.people = people
        self._scoped = {
            (row["conversation_id"], row["spelled_node"]): Node(
                row["node_id"], row["type"], row["normalized_name"], row["resolved_by"]
            )
            for row in resolutions.to_pylist()
        }

    def node(self, conversation: str | None, spelled: str, kind: str, normalized: str) -> Node:
        """Return the node of words whose own node is `spelled`, as it is if nothing is known."""
        found = self.people.everywhere.get(spelled)
        if found is None and is_person(kind):
            found = self._scoped.get((conversation or "", spelled))
        return Node(spelled, kind, normalized) if found is None else found

    def participant(self, address: str) -> str:
        """Return the node of whoever is reached at `address`."""
        node = self.people.by_alias.get(participant_id(address))
        return address_node(address) if node is None else node.node_id
