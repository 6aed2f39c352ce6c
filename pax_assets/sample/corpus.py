"""The sample's gold labels as documents.

Labels of landed messages carry the message's id, so that `annotations` can join them to the text
in the feature store and lineage runs from the channel tables to the model. The others bring
their own text, as labels from outside would.
"""

from __future__ import annotations

from pax_assets.nlp.documents import Document, Layer
from pax_assets.sample.conversations import Conversation, SampleMessage, conversations
from pax_assets.sample.timeline import landed

SOURCE = "pax-sample"


def gold(seed: int = 13) -> list[Document]:
    """Return the annotated documents of the sample, validated, in a fixed order.

    `split` and `group` (the conversation) are always set; `message_id` where the message is
    among those of `write_landing` with the same seed. Some documents of train lack a layer.
    """
    ids = {(m.conversation.id, m.number): m.message_id for m in landed(seed)}
    return [
        _document(conversation, number, message, ids.get((conversation.id, number)))
        for conversation in conversations(seed)
        if conversation.labelled
        for number, message in enumerate(conversation.messages)
    ]


def _document(
    conversation: Conversation, number: int, message: SampleMessage, message_id: str | None
) -> Document:
    writing = message.writing

    def shown(layer: Layer) -> tuple:
        return getattr(writing, layer) if layer in message.layers else ()

    return Document(
        doc_id=f"sample/{conversation.id}/{number}",
        text=writing.text,
        layers=message.layers,
        entities=shown("entities"),
        events=shown("events"),
        relations=shown("relations"),
        group=conversation.id,
        split=conversation.split,
        message_id=message_id,
        source=SOURCE,
    ).validate()
