"""Under test: the runtime on an exported model: alone, in a batch, with hostile text."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.session import ModelFileError, OtherGraphError
from pax_assets.nlp.documents import Analysis
from pax_assets.nlp.labels import LabelSchemeError
from pax_assets.training.parity import HOSTILE, labels, score_difference
from pax_assets_tests.bentos.lookup_model import make_of_former_version

MEETING = "well anna will meet ben in paris on friday ok"


@pytest.fixture(scope="module")
def runtime(toy_onnx: Path) -> Runtime:
    return Runtime.load(toy_onnx, threads=1)


def check_spans(text: str, analysis: Analysis) -> None:
    for span in (*analysis.entities, *analysis.events):
        assert text[span.start : span.end] == span.text != ""
        assert 0 < span.score <= 1


def test_a_sentence_is_analyzed_by_all_heads(runtime: Runtime):
    [meeting, work] = runtime.analyze([MEETING, "hello carla works for acme so"])
    assert [(e.type, e.text) for e in meeting.entities] == [
        ("person", "anna"),
        ("person", "ben"),
        ("place", "paris"),
        ("time", "friday"),
    ]
    assert [(v.type, v.text) for v in meeting.events] == [("meeting", "meet")]
    assert [(a.entity, a.role) for a in meeting.events[0].arguments] == [
        ("e1", "participant"),
        ("e2", "participant"),
        ("e3", "where"),
        ("e4", "when"),
    ]
    assert [(r.head, r.tail, r.type) for r in work.relations] == [("e1", "e2", "works_for")]


@pytest.mark.parametrize("text", [*HOSTILE, MEETING * 200], ids=lambda text: ascii(text)[:20])
def test_hostile_text_gets_an_answer_whose_spans_are_in_the_text(runtime: Runtime, text: str):
    [analysis] = runtime.analyze([text])
    check_spans(text, analysis)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_any_text_gets_spans_that_are_in_the_text(runtime: Runtime, noise: str):
    text = f"{noise} anna works for acme {noise}"
    [analysis] = runtime.analyze([text])
    check_spans(text, analysis)


def test_an_answer_is_the_same_alone_and_in_a_crowd(runtime: Runtime, toy_dataset: Path):
    texts = [d.text for d in jsonl.read(toy_dataset / "dev_gold.jsonl")] + list(HOSTILE)
    together = runtime.analyze(texts)
    for text, in_crowd in zip(texts, together, strict=True):
        [alone] = runtime.analyze([text])
        assert labels(alone) == labels(in_crowd)
        assert score_difference(alone, in_crowd) <= 1e-4


def test_a_long_text_keeps_its_tail(runtime: Runtime):
    text = "please thanks again " * 700 + MEETING
    [analysis] = runtime.analyze([text])
    tail = [e.text for e in analysis.entities if e.start > len(text) - len(MEETING)]
    assert tail == ["anna", "ben", "paris", "friday"]
    assert analysis.events[-1].start > len(text) - len(MEETING)
    assert len(analysis.events[-1].arguments) == 4


def test_a_very_long_text_stays_within_bounded_memory(runtime: Runtime):
    text = (MEETING + " ") * (100_000 // len(MEETING))
    tracemalloc.start()
    [analysis] = runtime.analyze([text])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(analysis.entities) > 5_000
    assert peak < 60e6


def test_an_absent_variant_is_named(toy_onnx: Path):
    with pytest.raises(ModelFileError, match=r"int4/model\.onnx does not exist"):
        Runtime.load(toy_onnx, "int4")


def test_a_damaged_model_file_is_named(toy_onnx: Path, tmp_path: Path):
    (tmp_path / "fp32").mkdir()
    (tmp_path / "fp32" / "model.onnx").write_bytes(b"\x00 not a model")
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        Runtime.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda labels: labels.clear(), LabelSchemeError, r"labels\.json: .*missing.*'entities'"),
        (lambda labels: labels["entities"].pop(0), LabelSchemeError, r"labels\.json: entities"),
        (
            lambda labels: labels.update(entities=labels["entities"][:3]),
            ModelFileError,
            r"model\.onnx has \d+ classes in its entity head, and .*labels\.json names 3",
        ),
        (
            lambda labels: labels["relations"].append("works_with"),
            ModelFileError,
            r"classes in its relation head",
        ),
        (
            lambda labels: labels.update(max_length=4096),
            ModelFileError,
            r"fails on a window of 4096 tokens, which .*labels\.json names as max_length",
        ),
    ],
)
def test_labels_that_do_not_fit_the_model_are_named(
    toy_onnx: Path, tmp_path: Path, change, error, sentence: str
):
    folder = shutil.copytree(toy_onnx, tmp_path / "onnx")
    labels_of = json.loads((folder / "labels.json").read_text())
    change(labels_of)
    (folder / "labels.json").write_text(json.dumps(labels_of))
    with pytest.raises(error, match=sentence):
        Runtime.load(folder, threads=1)


def test_64_texts_of_512_tokens_are_answered_as_each_alone_in_bounded_memory(toy_onnx: Path):
    """All pairs of a text would be 262,144; only those of its candidates are gathered."""
    texts = [f"{number} " + (MEETING + " ") * 49 for number in range(64)]
    code = (
        "import json, resource, sys; from pathlib import Path;"
        "from pax_assets.inference.runtime import Runtime;"
        "runtime = Runtime.load(Path(sys.argv[1]), 'fp32', 2, batch_tokens=64 * 512,"
        " pad_tokens=64 * 512);"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "found = runtime.analyze(json.load(sys.stdin));"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "json.dump([after - before, [len(a.relations) + len(a.entities) for a in found]],"
        " sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(toy_onnx)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    kilobytes, counts = json.loads(done.stdout)
    runtime = Runtime.load(toy_onnx, "fp32", 2)
    alone = [runtime.analyze([text])[0] for text in (texts[0], texts[-1])]
    assert [counts[0], counts[-1]] == [len(a.relations) + len(a.entities) for a in alone]
    assert min(counts) > 100
    # The logits of all pairs of places would be 67 MB for every class.
    assert kilobytes < 250_000


def test_the_runtime_needs_neither_torch_nor_transformers():
    code = (
        "import sys, pax_assets.inference.runtime;"
        "banned = {'torch', 'transformers', 'dagster', 'pyspark', 'pyarrow', 'pandas'};"
        "sys.exit(str(banned & sys.modules.keys()) if banned & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_model_of_another_version_is_told_from_a_broken_one(toy_onnx: Path, tmp_path: Path):
    former = tmp_path / "former"
    shutil.copytree(toy_onnx, former)
    make_of_former_version(former / "fp32" / "model.onnx")
    with pytest.raises(OtherGraphError, match=r"another version of PAX .*word_mask.*again"):
        Runtime.load(former)
