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
        (json.dumps({"doc_id": "b", "layers": []}), "missing or ill-typed field: 'text'"),
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
