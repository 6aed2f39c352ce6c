"""Under test: reading and writing annotated documents, and errors that name the line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pax_assets.corpora.errors import CorpusError
from pax_assets.corpora.formats import jsonl
from pax_assets_tests.toy_model import toy_corpus

GOOD = {"doc_id": "a", "text": "Anna", "layers": ["entities"], "entities": []}

ANNA = {"id": "e", "start": 0, "end": 4, "type": "person"}
EVENT = {"id": "v", "type": "call", "start": 0, "end": 4}
WITH_EVENT = {**GOOD, "doc_id": "b", "layers": ["events"]}
BOTH = {**GOOD, "doc_id": "b", "layers": ["entities", "relations"], "entities": [ANNA]}


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_documents_survive_a_round_trip(tmp_path: Path):
    documents = toy_corpus(20)
    assert jsonl.write(tmp_path / "a.jsonl", documents) == 20
    assert list(jsonl.read(tmp_path / "a.jsonl")) == documents


def test_hostile_texts_survive_a_round_trip(tmp_path: Path):
    texts = ("\ud83d lone", "🙂\u2028line", "a\x00b", "שלום", "")
    documents = [
        replace(toy_corpus(1)[0], doc_id=str(i), text=t, entities=(), events=(), relations=())
        for i, t in enumerate(texts)
    ]
    jsonl.write(tmp_path / "a.jsonl", documents)
    assert [document.text for document in jsonl.read(tmp_path / "a.jsonl")] == list(texts)


def test_blank_lines_and_a_byte_order_mark_are_allowed(tmp_path: Path):
    path = write_lines(tmp_path / "a.jsonl", "\ufeff" + json.dumps(GOOD), "", "  ")
    assert [document.doc_id for document in jsonl.read(path)] == ["a"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not a JSON object"),
        ("[1]", "expected an object, found list"),
        (json.dumps({"doc_id": "b", "layers": []}), "'text' is missing"),
        (json.dumps({**GOOD, "doc_id": None}), "doc_id is a text, and not None"),
        (json.dumps({**GOOD, "doc_id": "b", "text": None}), "text is a text, and not None"),
        (json.dumps({**GOOD, "doc_id": "b", "text": 5}), "text is a text, and not 5"),
        (json.dumps({**GOOD, "doc_id": "b", "entitys": []}), "'entitys' is no field of a document"),
        (json.dumps({**GOOD, "doc_id": "b", "group": ["g"]}), "group is a text, and not"),
        (json.dumps({**GOOD, "doc_id": "b", "message_id": 5}), "message_id is a text, and not 5"),
        (json.dumps({**GOOD, "doc_id": "b", "split": "validation"}), "split is 'validation', exp"),
        (json.dumps({**GOOD, "doc_id": "b", "layers": [["x"]]}), "unknown layer"),
        ("[" * 100_000, "not a JSON object"),
        *(
            (
                json.dumps({**GOOD, "doc_id": "b", "entities": [{**ANNA, field: value}]}),
                complaint,
            )
            for field, value, complaint in (
                ("start", 0.9, "start is a whole number, and not 0.9"),
                ("start", "0", "start is a whole number, and not '0'"),
                ("end", True, "end is a whole number, and not True"),
                ("end", float("inf"), "end is a whole number, and not inf"),
                ("type", None, "an entity's type is a text, and not None"),
                ("type", ["a"], "an entity's type is a text, and not"),
            )
        ),
        (json.dumps({**WITH_EVENT, "events": [EVENT, EVENT]}), "two events share an id"),
        (
            json.dumps({**BOTH, "relations": [{"head": "e", "tail": "e", "type": "is"}]}),
            "relation is joins 'e' with itself",
        ),
        (json.dumps({**GOOD, "doc_id": "b", "layers": ["moods"]}), "unknown layer 'moods'"),
        (
            json.dumps(
                {
                    **GOOD,
                    "doc_id": "b",
                    "entities": [{"id": "e", "start": 2, "end": 9, "type": "person"}],
                }
            ),
            r"span e \[2, 9\) does not lie in a text of 4 characters",
        ),
        (json.dumps(GOOD), "document a stands on line 1 already"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(tmp_path: Path, line, complaint):
    path = write_lines(tmp_path / "labels.jsonl", json.dumps(GOOD), line)
    with pytest.raises(CorpusError, match=rf"labels\.jsonl, line 2: .*{complaint}"):
        list(jsonl.read(path))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"nothing\.jsonl does not exist"):
        list(jsonl.read(tmp_path / "nothing.jsonl"))
