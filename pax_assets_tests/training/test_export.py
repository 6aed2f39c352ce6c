"""Under test: the exported variants, and which of them may be served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.training import artifact
from pax_assets.training.export import judge, recommend
from pax_assets.training.parity import grid, parity_grid


def test_the_artifact_has_every_variant_and_what_the_runtime_needs(toy_onnx: Path):
    assert {str(path.relative_to(toy_onnx)) for path in toy_onnx.rglob("*") if path.is_file()} == {
        "fp32/model.onnx",
        "int8/model.onnx",
        "q8/model.onnx",
        "tokenizer.json",
        "labels.json",
        "lineage.json",
        "report.json",
    }


def test_parity_holds_over_the_whole_grid_on_trained_weights(toy_onnx: Path):
    parity = json.loads((toy_onnx / "report.json").read_text())["parity"]
    assert parity["passed"]
    assert parity["max_diff"] < 1e-4
    cases = {(case["batch"], case["length"], case["padded"]) for case in parity["cases"]}
    assert cases == set(grid(512))
    assert all(case["labels_equal"] for case in parity["cases"])


def test_the_grid_keeps_to_the_encoders_positions():
    assert {length for _, length, _ in grid(256)} == {1, 7, 64, 256}
    assert (8, 64, True) in set(grid(512))


def test_the_report_shows_the_variants_side_by_side(toy_onnx: Path):
    report = json.loads((toy_onnx / "report.json").read_text())
    assert set(report["variants"]) == {"fp32", "int8", "q8"}
    fp32 = report["variants"]["fp32"]
    assert fp32["served"]
    assert fp32["f1"]["entity"] > 0.95
    assert fp32["bytes"] == (toy_onnx / "fp32" / "model.onnx").stat().st_size
    assert fp32["latency_ms"] > 0
    assert report["variants"][report["recommended"]]["served"]


def test_a_graph_of_other_weights_fails_parity(toy_model: Path, toy_onnx: Path):
    model, _ = artifact.load(toy_model)
    with torch.no_grad():
        model.relation_head.classify.bias[1] += 1.0
    result = parity_grid(model, toy_onnx / "fp32" / "model.onnx", np.arange(5, 60))
    assert not result["passed"]
    assert result["max_diff"] > 0.001


def variant(entity: float = 0.9, relation: float = 0.8, ms: float = 5.0, independent: bool = True):
    return {
        "f1": {"entity": entity, "relation": relation},
        "latency_ms": ms,
        "batch_independent": independent,
        "texts_that_differ": 0 if independent else 3,
        "max_diff": 0.0,
    }


@pytest.mark.parametrize(
    ("candidate", "served", "why"),
    [
        (variant(), True, "no head lost"),
        (variant(relation=0.795), True, "no head lost"),
        (variant(relation=0.794), False, "relation lost 0.6 points"),
        (variant(entity=0.05), False, "entity lost 85.0 points"),
        (variant(independent=False), False, "answers depend on the batch: 3 texts"),
        (variant(entity=0.95), True, "no head lost"),
    ],
)
def test_a_variant_is_served_by_its_numbers(candidate, served, why):
    variants = {"fp32": variant(), "x": candidate}
    judge(variants, parity_passed=True)
    assert variants["x"]["served"] is served
    assert why in variants["x"]["why"]
    assert variants["fp32"]["served"]


def test_nothing_is_served_where_parity_failed():
    variants = {"fp32": variant(), "x": variant()}
    judge(variants, parity_passed=False)
    assert recommend(variants) is None


def test_the_fastest_servable_variant_is_recommended():
    variants = {
        "fp32": variant(ms=9.0),
        "slow": variant(ms=10.0),
        "fast": variant(ms=4.0),
        "fastest-but-worse": variant(ms=1.0, relation=0.5),
    }
    judge(variants, parity_passed=True)
    assert recommend(variants) == "fast"
