"""What the columns of the feature store mean, for whoever opens a table in the UI."""

from __future__ import annotations

MESSAGES = {
    "message_id": "SHA-256 of channel, account and the provider's id: the same for every replay",
    "channel": "sms, whatsapp or email",
    "provider": "whose format the record had",
    "source_kind": "webhook, rest, export or mail",
    "account": "the receiving number or mailbox; empty where the format names none",
    "provider_message_id": "the provider's own id, or a derived one where there is none",
    "conversation_id": "the thread; joins to `conversations`",
    "sender": "address of who wrote: E.164 number or mailbox in lower case",
    "recipients": "addresses of who was written to",
    "direction": "inbound, outbound or unknown, seen from the account",
    "sent_at": "when it was sent, UTC",
    "sent_at_precision": "how exact `sent_at` is; `received` where only the arrival is known",
    "zone_assumed": "the time zone that was assumed where the format named none",
    "received_at": "when its object landed, UTC",
    "subject": "subject line of mail",
    "text": "the text exactly as received; offsets of insights refer to it",
    "content_type": "what the text was made of",
    "attachments": "what came with it; the bytes stay with the provider",
    "reply_to": "the provider's id of the message that it answers",
    "language": "language of the text, where the source states it",
    "raw_uri": "the landing object, relative to the landing root",
    "raw_position": "where in the object the record lies",
    "raw_sha256": "digest of the record's own bytes",
    "source_metadata": "what else the format carried, as JSON",
    "arrival_day": "the day on which its object arrived; the partition",
}

CONVERSATIONS = {
    "conversation_id": "the thread's id in `messages`",
    "channel": "sms, whatsapp or email",
    "accounts": "own numbers or mailboxes that took part",
    "participants": "addresses of everybody who wrote or was written to",
    "subject": "the first subject line, where there is one",
    "first_message_at": "when its first message was sent, UTC",
    "last_message_at": "when its last message was sent, UTC",
    "message_count": "its messages in the store",
    "inbound_count": "messages that came in",
    "outbound_count": "messages that went out",
    "last_sender": "address of who wrote last",
    "last_direction": "direction of the last message",
}

PARTICIPANTS = {
    "participant_id": "digest of the identity; the same in every build",
    "identities": "addresses of the person, each with its kind: phone, email or other",
    "display_names": "names under which messages named the person",
    "channels": "channels on which the person was seen",
    "first_seen": "when the first message from or to the person was sent, UTC",
    "last_seen": "when the last message from or to the person was sent, UTC",
    "sent_count": "messages that the person wrote",
    "received_count": "messages that were addressed to the person",
}
