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
