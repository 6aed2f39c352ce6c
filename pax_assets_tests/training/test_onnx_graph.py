"""Under test: the variants that an export tries, and the graph in 16 bits."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from pax_assets.corpora.formats import jsonl
from pax_assets.inference import openvino_session
from pax_assets.inference.runtime import Runtime
from pax_assets.training import onnx_graph
from pax_assets.training.onnx_graph import candidates, place, write_fp16
from pax_assets.training.onnx_int8 import WHOLE
from pax_assets.training.parity import labels, score_difference


@pytest.fixture
def half(toy_onnx: Path, tmp_path: Path) -> Path:
    """The toy artifact with its graph in 16 bits."""
    for name in ("tokenizer.json", "labels.json"):
        (tmp_path / name).write_bytes((toy_onnx / name).read_bytes())
    write_fp16(toy_onnx / "fp32" / "model.onnx", place(tmp_path, "fp16"))
    return tmp_path


def test_sixteen_bits_stay_close_to_full_precision(half: Path, toy_onnx: Path, toy_dataset: Path):
    texts = [document.text for document in jsonl.read(toy_dataset / "dev_gold.jsonl")]
    whole = Runtime.load(toy_onnx, "fp32", 1, provider="cpu").analyze(texts)
    found = Runtime.load(half, "fp16", 1, provider="cpu").analyze(texts)
    assert sum(len(analysis.entities) for analysis in whole) > 50
    for one, other in zip(whole, found, strict=True):
        assert labels(one) == labels(other)
        assert score_difference(one, other) < 0.01


def test_sixteen_bits_take_half_the_room_and_the_same_inputs(half: Path, toy_onnx: Path):
    files = half / "fp16" / "model.onnx", toy_onnx / "fp32" / "model.onnx"
    small, large = (onnx.load(str(file)).graph for file in files)
    assert files[0].stat().st_size < 0.7 * files[1].stat().st_size
    for what in ("input", "output"):
        one, other = (
            {v.name: v.type.tensor_type.elem_type for v in getattr(graph, what)}
            for graph in (small, large)
        )
        assert one == other
        assert set(one.values()) <= {TensorProto.INT64, TensorProto.FLOAT}


@pytest.mark.parametrize("has_gpu", [False, True])
@pytest.mark.parametrize("has_bf16", [False, True])
def test_a_variant_that_nothing_here_runs_says_what_it_needs(
    tmp_path: Path, monkeypatch, has_gpu: bool, has_bf16: bool
):
    monkeypatch.setattr(onnx_graph, "has_gpu", lambda: has_gpu)
    monkeypatch.setattr(openvino_session, "bf16_missing", lambda: "" if has_bf16 else "no")
    found = candidates(tmp_path / "plain.onnx", tmp_path / "fp32" / "model.onnx", ["a"])
    assert {name: bool(candidate.missing) for name, candidate in found.items()} == {
        "int8": False,
        "bf16": not has_bf16,
        "fp16": not has_gpu,
    }
    assert len(found["int8"].ways) == len(WHOLE)


def test_a_path_for_each_variant(tmp_path: Path):
    assert place(tmp_path, "x") == tmp_path / "x" / "model.onnx"
    assert (tmp_path / "x").is_dir()
