"""What the columns of the insights mean, for whoever opens a table in the UI."""

from __future__ import annotations

_KEY = {
    "message_id": "the message in `messages`",
    "model_version": "which model said so; a version's answers stay when another is released",
    "arrival_day": "the day on which the message arrived; the partition",
}
_SPAN = {
    "start": "first character in the message's text, counted in code points",
    "end": "one after the last character",
    "score": "how sure the model is, up to 1",
}

INSIGHTS = {
    "insights/entities": {
        **_KEY,
        **_SPAN,
        "entity_id": "e1, e2, … in the order of the text; events and relations refer to it",
        "type": "person, organization, … : the labels of the corpus",
        "text": "the characters of the message from `start` to `end`",
        "value": "the normalised form, where a recognizer gave one: E.164, lower-cased address, …",
        "recognizer": "the rule that found it; null where the model did",
    },
    "insights/events": {
        **_KEY,
        **_SPAN,
        "event_id": "v1, v2, … in the order of the text",
        "type": "meeting, payment, … : the labels of the corpus",
        "text": "the word that says so (the trigger)",
        "arguments": "who and what takes part: entity, role, score",
    },
    "insights/relations": {
        **_KEY,
        "head_id": "the entity that the relation starts from",
        "tail_id": "the entity that it points to",
        "type": "works_for, located_in, … : the labels of the corpus",
        "score": "how sure the model is, up to 1",
        "head_type": "type of the head, as in `insights/entities`",
        "head_text": "text of the head",
        "tail_type": "type of the tail",
        "tail_text": "text of the tail",
    },
}

_SEEN = {
    "count": "messages that say so",
    "confidence": "the highest score among them",
    "first_seen": "when the first of them was sent, UTC",
    "last_seen": "when the last of them was sent, UTC",
}

NODES = {
    **_SEEN,
    "node_id": "digest of type and normalised name: the same in every build",
    "type": "type of the entity",
    "name": "the commonest spelling",
    "normalized_name": "the form under which spellings are one node",
    "names": "up to ten spellings, commonest first",
    "participant_id": "the only participant who goes by this name, if there is exactly one",
}

EDGES = {
    **_SEEN,
    "head_node": "the node that the relation starts from",
    "type": "type of the relation",
    "tail_node": "the node that it points to",
    "head_text": "name of the head",
    "head_type": "type of the head",
    "tail_text": "name of the tail",
    "tail_type": "type of the tail",
    "mean_confidence": "the mean score over the messages",
    "message_ids": "its newest 20 messages; `relationship_graph/evidence` has all",
}

_WHEN = {
    "starts_at": "the instant, or where the span begins, UTC; null if it was not understood",
    "ends_at": "where the span ends (exclusive), UTC; null for an instant",
    "precision": "minute, hour, part_of_day, day, weekend, week, month, quarter or year",
    "bound": "by, before, until, after or since, where it was said",
}
_MONEY = {
    "amount": "the sum, in units of the currency; null if it was not understood",
    "currency": "ISO 4217; null where it was not said, or several countries call theirs so",
}
_RESOLVED = {
    "spelled_node": "the node of the words by themselves",
    "node_id": "the node that is meant",
    "resolved_by": "the rule that took them for another node than that of their words, or null",
}

MENTIONS = {
    **_RESOLVED,
    "type": "type of the node",
    "normalized_name": "normalised name of the node",
    "name": "the words",
    "message_id": "the message in `messages`",
    "sent_at": "when it was sent, UTC",
    "score": "how sure the model is of the entity, up to 1",
    "conversation_id": "the conversation of the message",
    "resolution_confidence": "how far the rule is to be trusted",
    "arrival_day": _KEY["arrival_day"],
}

EVIDENCE = {
    "head_node": "the node that the relation starts from",
    "type": "type of the relation",
    "tail_node": "the node that it points to",
    "message_id": "the message that says so",
    "sent_at": "when it was sent, UTC",
    "score": "how sure the model is, up to 1",
    "arrival_day": _KEY["arrival_day"],
}

RESOLUTIONS = {
    **_RESOLVED,
    "conversation_id": "the conversation in which the words mean that node",
    "type": "type of the node",
    "normalized_name": "normalised name of the node",
    "confidence": "how far the rule is to be trusted",
}

PEOPLE = {
    "participant_id": "the participant in `participants`",
    "kind": "identity or name",
    "value": "the address, or the normalised name, that the participant goes by",
    "alias_id": "id of the address by itself; null for a name",
    "spelled_node": "the node that the words would be by themselves",
    "everywhere": "whether the words mean this participant in every conversation",
    "node_id": "the participant's node",
    "name": "how the participant is shown",
    "normalized_name": "normalised name of the participant's node",
}

CONTEXT = {
    "conversation_id": "the conversation; empty where the message has none",
    "kind": "present (as sender or recipient), named (a person) or address (in a text)",
    "key": "id of the address that is present, or the node of the words",
    "type": "type of the entity; null for who is present",
    "normalized_name": "normalised name or address; null for who is present",
    "arrival_day": _KEY["arrival_day"],
}

VALUES = {
    **_WHEN,
    **_MONEY,
    "message_id": "the message in `messages`",
    "entity_id": "the entity of the message, as in `insights/entities`",
    "kind": "time, money, phone or mail",
    "type": "type of the entity",
    "text": "the words",
    "start": "first character in the message's text, counted in code points",
    "end": "one after the last character",
    "zone": "the zone (IANA, or an offset such as +05:30) by which the sender's clock goes",
    "zone_from": "where that is from: offset, assumed, phone_number or default",
    "address": "the number in E.164, the mail address in lower case",
    "assumed": "rules that decided what was not said, by commas: coming, year, half_of_day, …",
    "sent_at": "when the message was sent, UTC",
    "score": "how sure the model is of the entity, up to 1",
    "arrival_day": _KEY["arrival_day"],
}

TIMELINE = {
    **_WHEN,
    **_MONEY,
    "message_id": "the message in `messages`",
    "event_id": "the event of the message, as in `insights/events`",
    "type": "meeting, payment, … : the labels of the corpus",
    "trigger": "the word that says so",
    "time_text": "the words that say when",
    "sent_at": "when the message was sent, UTC",
    "channel": "sms, whatsapp or email",
    "conversation_id": "the conversation of the message",
    "direction": "inbound, outbound or unknown",
    "sender": "the address of who wrote it",
    "sender_node": "that person's node; `relationship_graph/people` has their name",
    "recipient_nodes": "nodes of those to whom it was written",
    "participants": "people and organisations: role, type, text, node_id, resolved_by, score",
    "amount_text": "the words that say how much",
    "item": "what is asked for, delivered or sold",
    "place": "where",
    "others": "whatever else takes part, as in `participants`",
    "confidence": "how sure the model is of the event, up to 1",
    "arrival_day": _KEY["arrival_day"],
}
