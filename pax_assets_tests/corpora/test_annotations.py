"""Labels meet the store's text: joined by message id, and refused where the text differs."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from pax_assets.corpora.annotations import from_table, join_labels, to_table
from pax_assets.corpora.sources import JsonLinesSource, LabelsMissing, SampleSource
from pax_assets.lake.commit import overwrite
from pax_assets.lake.schemas import SCHEMAS
from pax_assets.nlp.documents import Document, Entity


def _document(doc_id: str, text: str, message_id: str | None = None) -> Document:
    return Document(
        doc_id=doc_id,
        text=text,
        layers=("entities",),
        entities=(Entity("e1", 0, 3, "person"),),
        message_id=message_id,
    )


def _store(lake: str, **texts: str) -> None:
    columns = {field.name: field.type for field in SCHEMAS["messages"]}
    rows = []
    for message_id, text in texts.items():
        row = dict.fromkeys(columns)
        row |= {
            "message_id": message_id,
            "text": text,
            "conversation_id": "c1",
            "channel": "sms",
            "arrival_day": "2026-01-05",
            "sent_at": datetime(2026, 1, 5, tzinfo=UTC),
        }
        rows.append(row)
    overwrite(lake, "messages", pa.Table.from_pylist(rows, schema=SCHEMAS["messages"]))


def test_a_labelled_message_takes_its_text_and_conversation_from_the_store(lake) -> None:
    _store(lake, m1="Ana is here", m2="not labelled")
    joined = join_labels([_document("d1", "Ana is here!?", "m1")], lake)
    assert joined.from_store == 1
    assert joined.documents[0].text == "Ana is here"
    assert joined.documents[0].group == "c1"
    assert joined.mismatched == []


def test_a_label_whose_span_covers_other_characters_is_reported(lake) -> None:
    _store(lake, m1="Hi, Ana is here")
    joined = join_labels([_document("d1", "Ana is here", "m1")], lake)
    assert joined.mismatched == ["d1"]
    assert joined.from_store == 0


def test_labels_of_messages_that_are_not_stored_bring_their_own_text(lake) -> None:
    joined = join_labels([_document("d1", "Ana", "unknown"), _document("d2", "Ben")], lake)
    assert [d.text for d in joined.documents] == ["Ana", "Ben"]
    assert joined.from_store == 0


def test_documents_survive_the_table(lake) -> None:
    documents = [_document("d2", "Ben"), _document("d1", "Ana Šimić 🙂", "m1")]
    assert from_table(to_table(documents)) == sorted(documents, key=lambda d: d.doc_id)


def test_the_version_of_a_source_follows_its_content_and_not_its_layout(tmp_path) -> None:
    one, two = _document("d1", "Ana").to_json(), _document("d2", "Ben").to_json()
    (tmp_path / "a.jsonl").write_text(f"{one}\n{two}\n")
    (tmp_path / "b.jsonl").write_text(f"{two}\n{one.replace(': ', ':')}\n")
    (tmp_path / "c.jsonl").write_text(f"{one}\n")
    versions = [JsonLinesSource(tmp_path / f"{name}.jsonl").version() for name in "abc"]
    assert versions[0] == versions[1] != versions[2]


def test_labels_that_are_not_there_are_named(tmp_path) -> None:
    with pytest.raises(LabelsMissing, match=r"PAX_LABELS .*nowhere"):
        list(JsonLinesSource(tmp_path / "nowhere").documents())


def test_the_sample_is_the_same_every_time() -> None:
    assert SampleSource(13).version() == SampleSource(13).version() != SampleSource(14).version()


def test_a_text_with_a_lone_surrogate_becomes_a_row_and_a_document_again():
    document = Document("d", "\ud83d lone", ("entities",), (Entity("e", 2, 6, "word"),))
    assert from_table(to_table([document])) == [document]
