"""One day's findings as rows: who is mentioned, what relates, what is worth what, what happens.

All of it follows from the day's findings, its messages, and who a name means (`resolution`). A node
is counted once for each message that mentions it, an edge once for each message that states it:
somebody who signs a mail with a name three times is not three times as related.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.identities.identity import participant_id
from pax_assets.jobs.insights.insight_tables import (
    CONTEXT,
    EVIDENCE,
    MENTIONS,
    SCHEMAS,
    TIMELINE,
    VALUES,
)
from pax_assets.jobs.insights.kinds import is_address, is_mail, is_phone
from pax_assets.jobs.insights.names import is_organization, is_person, node_id, normalized_name
from pax_assets.jobs.insights.resolution import (
    ADDRESS,
    CONFIDENCE,
    NAMED,
    PRESENT,
    RECIPIENT,
    SENDER,
    Node,
    Resolver,
    address_node,
)
from pax_assets.jobs.insights.timeline_rows import timeline_rows
from pax_assets.jobs.insights.value_rows import Reading, value_rows
from pax_assets.jobs.insights.values.addresses import mail_value, phone_value

Row = dict[str, Any]

MESSAGE_COLUMNS = [
    "message_id",
    "sent_at",
    "arrival_day",
    "conversation_id",
    "channel",
    "direction",
    "sender",
    "recipients",
    "zone_assumed",
    "source_metadata",
]
_FIRST_PERSON = frozenset({"i", "me", "my", "mine", "myself", "i'm"})
_SECOND_PERSON = frozenset({"you", "your", "yours", "yourself"})


@dataclass(frozen=True)
class Sources:
    """Findings of some days and their messages, as far as they are still in these days."""

    entities: pa.Table
    events: pa.Table
    relations: pa.Table
    messages: pa.Table


def context_rows(sources: Sources, reading: Reading) -> pa.Table:
    """Return who took part in which conversation, and who and what was named in it, by day."""
    found: set[tuple[str | None, ...]] = set()
    messages = _by_place(sources.messages)
    for message in messages.values():
        for address in (message["sender"], *(message["recipients"] or ())):
            if address:
                alias = participant_id(address)
                found.add((_conversation(message), PRESENT, alias, None, None, _day(message)))
    for row, message in _placed(sources.entities, messages):
        if not (is_person(row["type"]) or is_address(row["type"])):
            continue
        own = _own_node(row["type"], row["text"], reading.region)
        kind = NAMED if is_person(row["type"]) else ADDRESS
        found.add(
            (
                _conversation(message),
                kind,
                own.node_id,
                own.type,
                own.normalized_name,
                _day(message),
            )
        )
    ordered = sorted(found, key=lambda row: tuple(value or "" for value in row))
    columns = list(zip(*ordered, strict=True)) or [[] for _ in SCHEMAS[CONTEXT]]
    return pa.table([list(c) for c in columns], schema=SCHEMAS[CONTEXT])


def day_rows(sources: Sources, resolver: Resolver, reading: Reading) -> dict[str, pa.Table]:
    """Return the rows of mentions, evidence, values and timeline, by table.

    People and organisations are nodes wherever they are mentioned, and so are addresses of
    participants; other things only where a relation ties them to one.
    """
    messages = _by_place(sources.messages)
    mentions: list[Row] = []
    evidence: list[Row] = []
    nodes: dict[tuple[str, str], Node] = {}
    for row, message in _placed(sources.entities, messages):
        if not (_is_party(row["type"]) or is_address(row["type"])):
            continue
        mention = _mention(row["type"], row["text"], row["score"], message, resolver, reading)
        node = mention.node
        nodes[row["message_id"], row["entity_id"]] = node
        if _is_party(node.type):
            mentions.append(mention.row)
    for row, message in _placed(sources.relations, messages):
        ends = [
            _mention(
                row[f"{end}_type"], row[f"{end}_text"], row["score"], message, resolver, reading
            )
            for end in ("head", "tail")
        ]
        head, tail = (end.node for end in ends)
        # A relation of a node with itself ("Acme" and "ACME Inc.") relates nothing.
        if head.node_id == tail.node_id or not (_is_party(head.type) or _is_party(tail.type)):
            continue
        mentions += [end.row for end in ends]
        evidence.append(
            {
                "head_node": head.node_id,
                "type": row["type"],
                "tail_node": tail.node_id,
                "message_id": row["message_id"],
                "sent_at": message["sent_at"],
                "score": row["score"],
                "arrival_day": _day(message),
            }
        )
    values = value_rows(_placed(sources.entities, messages), reading)
    timeline = timeline_rows(
        _placed(sources.events, messages), sources.entities, nodes, resolver, reading
    )
    return {
        MENTIONS: _once_a_message(
            pa.Table.from_pylist(mentions, schema=SCHEMAS[MENTIONS]), MENTIONS
        ),
        EVIDENCE: _once_a_message(
            pa.Table.from_pylist(evidence, schema=SCHEMAS[EVIDENCE]), EVIDENCE
        ),
        VALUES: pa.Table.from_pylist(values, schema=SCHEMAS[VALUES]),
        TIMELINE: pa.Table.from_pylist(timeline, schema=SCHEMAS[TIMELINE]),
    }


@dataclass(frozen=True, slots=True)
class _Mention:
    node: Node
    row: Row


def _mention(
    kind: str,
    text: str,
    score: float,
    message: Mapping[str, Any],
    resolver: Resolver,
    reading: Reading,
) -> _Mention:
    own = _own_node(kind, text, reading.region)
    node = resolver.node(message["conversation_id"], own.node_id, own.type, own.normalized_name)
    if is_person(kind) and node.rule is None:
        address, rule = _speaker(text, message)
        if address:
            own = Node(address_node(address), kind, address)
            whom = resolver.node(None, own.node_id, kind, address)
            node = Node(whom.node_id, whom.type, whom.normalized_name, rule)
    return _Mention(
        node,
        {
            "node_id": node.node_id,
            "type": node.type,
            "normalized_name": node.normalized_name,
            "name": text,
            "message_id": message["message_id"],
            "sent_at": message["sent_at"],
            "score": score,
            "conversation_id": message["conversation_id"],
            "spelled_node": own.node_id,
            "resolved_by": node.rule,
            "resolution_confidence": None if node.rule is None else CONFIDENCE[node.rule],
            "arrival_day": _day(message),
        },
    )


def _speaker(text: str, message: Mapping[str, Any]) -> tuple[str | None, str]:
    """The address that "I" or "you" has: of the sender, of the only recipient."""
    word = text.casefold().replace("’", "'").strip()
    if word in _FIRST_PERSON:
        return message["sender"] or None, SENDER
    if word in _SECOND_PERSON and len(set(message["recipients"] or ())) == 1:
        return message["recipients"][0] or None, RECIPIENT
    return None, ""


@lru_cache(maxsize=65536)
def _own_node(kind: str, text: str, region: str) -> Node:
    """The node of words by themselves."""
    address = None
    if is_phone(kind):
        address = phone_value(text, region)
    elif is_mail(kind):
        address = mail_value(text)
    if address:
        return Node(address_node(address), kind, address)
    normalized = normalized_name(text, kind)
    return Node(node_id(normalized, kind), kind, normalized)


def _is_party(kind: str) -> bool:
    return is_person(kind) or is_organization(kind)


def _day(message: Mapping[str, Any]) -> str:
    return message["arrival_day"]


def _conversation(message: Mapping[str, Any]) -> str:
    return message["conversation_id"] or ""


def _by_place(messages: pa.Table) -> dict[tuple[str, str], Row]:
    return {(row["arrival_day"], row["message_id"]): row for row in messages.to_pylist()}


def _placed(
    findings: pa.Table, messages: Mapping[tuple[str, str], Row]
) -> Iterator[tuple[Row, Row]]:
    """Yield findings with their messages, those that are still in their day."""
    for row in findings.to_pylist():
        message = messages.get((row["arrival_day"], row["message_id"]))
        if message is not None:
            yield row, message


def _once_a_message(rows: pa.Table, table: str) -> pa.Table:
    """One row for each node or edge in a message: its first spelling, its best score."""
    if table == EVIDENCE:
        keys = [f.name for f in SCHEMAS[table] if f.name != "score"]
        once = rows.group_by(keys).aggregate([("score", "max")])
        return _as(table, {f.name: once[f"{f.name}_max" if f.name == "score" else f.name]
                           for f in SCHEMAS[table]})  # fmt: skip
    # "Anna" and "Anna Keller" in one message are one mention: the words by themselves win.
    own = pc.equal(rows["spelled_node"], rows["node_id"])
    ordered = rows.append_column("own", own).sort_by(
        [("own", "descending"), ("name", "ascending"), ("spelled_node", "ascending")]
    )
    keys = ["node_id", "message_id", "arrival_day"]
    first = [f.name for f in SCHEMAS[table] if f.name not in (*keys, "score")]
    once = ordered.group_by(keys, use_threads=False).aggregate(
        [("score", "max"), *((name, "first") for name in first)],
    )
    columns = {f.name: f"{f.name}_first" for f in SCHEMAS[table]}
    columns |= {name: name for name in keys} | {"score": "score_max"}
    return _as(table, {f.name: once[columns[f.name]] for f in SCHEMAS[table]})


def _as(table: str, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    return pa.table({f.name: columns[f.name] for f in SCHEMAS[table]}).cast(SCHEMAS[table])
