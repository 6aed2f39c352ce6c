"""Which columns of which table each column of the feature store is made of.

Shown in the UI column by column: "if I change how senders are parsed, what moves?" is asked before
a parser is mended, and an arrow between whole tables does not answer it.
"""

from __future__ import annotations

from pax_assets.defs.feature_store import columns

_CHANNELS = ("raw_sms", "raw_whatsapp", "raw_email")

MESSAGES = {name: [f"{raw}.{name}" for raw in _CHANNELS] for name in columns.MESSAGES}


def _of_messages(*names: str) -> list[str]:
    return [f"messages.{name}" for name in names]


_THREAD = ("channel", "conversation_id")
_MOMENT = ("sent_at", "message_id")

CONVERSATIONS = {
    "conversation_id": _of_messages("conversation_id"),
    "channel": _of_messages("channel"),
    "accounts": _of_messages("account"),
    "participants": _of_messages("sender", "recipients"),
    "subject": _of_messages("subject", *_MOMENT),
    "first_message_at": _of_messages("sent_at"),
    "last_message_at": _of_messages("sent_at"),
    "message_count": _of_messages(*_THREAD),
    "inbound_count": _of_messages(*_THREAD, "direction"),
    "outbound_count": _of_messages(*_THREAD, "direction"),
    "last_sender": _of_messages("sender", *_MOMENT),
    "last_direction": _of_messages("direction", *_MOMENT),
}

_LINKS = ["identity_evidence.first", "identity_evidence.second"]

PARTICIPANTS = {
    "participant_id": [*_of_messages("sender", "recipients"), *_LINKS],
    "identities": [*_of_messages("sender", "recipients"), *_LINKS],
    "alias_ids": [*_of_messages("sender", "recipients"), *_LINKS],
    "display_names": _of_messages("source_metadata", "sender", "recipients"),
    "channels": _of_messages("channel", "sender", "recipients"),
    "first_seen": _of_messages("sent_at", "sender", "recipients"),
    "last_seen": _of_messages("sent_at", "sender", "recipients"),
    "sent_count": _of_messages("sender"),
    "received_count": _of_messages("recipients"),
}

_STATED = _of_messages("source_metadata", "sender", "direction")

IDENTITY_EVIDENCE = {
    "first": _STATED,
    "second": _STATED,
    "rule": _of_messages("source_metadata"),
    "source": _of_messages("message_id"),
    "position": _of_messages("message_id"),
    "stated_at": _of_messages("sent_at"),
    "origin": _of_messages("arrival_day"),
}

_TEXT = {
    name: _of_messages("text")
    for name in columns.MESSAGE_FEATURES
    if name.endswith("_count")
    or name in ("language", "language_confidence", "uppercase_share", "script", "normalized_sha256")
}
_PAST = {
    "conversation_messages_before": _of_messages(*_THREAD, *_MOMENT),
    "seconds_since_conversation_message": _of_messages(*_THREAD, *_MOMENT),
    "seconds_since_other_side": _of_messages(*_THREAD, *_MOMENT, "sender"),
    "response_seconds": _of_messages(*_THREAD, *_MOMENT, "sender"),
    "sender_sent_before": _of_messages("sender", *_MOMENT),
    "sender_received_before": _of_messages("sender", "recipients", *_MOMENT),
    "seconds_since_sender_message": _of_messages("sender", *_MOMENT),
    "sender_responses_before": _of_messages("sender", *_THREAD, *_MOMENT),
    "sender_mean_response_seconds": _of_messages("sender", *_THREAD, *_MOMENT),
    "sender_median_response_seconds": _of_messages("sender", *_THREAD, *_MOMENT),
}
_COPIED = ("message_id", "channel", "conversation_id", "sent_at", "arrival_day")

MESSAGE_FEATURES = {
    **{name: _of_messages(name) for name in _COPIED},
    "sender_id": _of_messages("sender"),
    "recipient_ids": _of_messages("recipients"),
    **_TEXT,
    **_PAST,
}
