"""Under test: the exported variants, and which of them may be served."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: TID253 - the room under test is torch's

from pax_assets.inference import openvino_session
from pax_assets.inference.runtime import Runtime
from pax_assets.training import artifact
from pax_assets.training.export import judge, recommend
from pax_assets.training.onnx_graph import has_gpu
from pax_assets.training.parity import (
    batch_independence,
    grid,
    parity_grid,
    same_labels,
    same_pairs,
)

HERE = {
    "fp32",
    "int8",
    *([] if openvino_session.bf16_missing() else ["bf16"]),
    *(["fp16"] if has_gpu() else []),
}


def test_the_artifact_has_every_variant_and_what_the_runtime_needs(toy_onnx: Path):
    assert {str(path.relative_to(toy_onnx)) for path in toy_onnx.rglob("*") if path.is_file()} == {
        *(f"{variant}/model.onnx" for variant in HERE),
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
    assert set(report["variants"]) == HERE
    fp32 = report["variants"]["fp32"]
    assert fp32["served"]
    assert fp32["f1"]["entity"] > 0.95
    for name, variant in report["variants"].items():
        assert variant["bytes"] == (toy_onnx / name / "model.onnx").stat().st_size
        assert variant["latency_ms"] > 0
        assert variant["messages_s"] > 0
        assert variant["runs_on"] == ("gpu" if name == "fp16" else "cpu")
    assert report["variants"][report["recommended"]["cpu"]]["served"]


def test_a_variant_that_cannot_run_here_is_named_with_what_it_needs(toy_onnx: Path):
    report = json.loads((toy_onnx / "report.json").read_text())
    assert set(report["not_here"]) == {"bf16", "fp16"} - HERE
    assert all(report["not_here"].values())
    assert (report["recommended"]["gpu"] is None) == ("fp16" not in HERE)


def test_a_graph_of_other_weights_fails_parity(toy_model: Path, toy_onnx: Path):
    model, _ = artifact.load(toy_model)
    with torch.no_grad():
        model.relation_head.classify.bias[1] += 1.0
    result = parity_grid(model, toy_onnx / "fp32" / "model.onnx", np.arange(5, 60))
    assert not result["passed"]
    assert result["max_diff"] > 0.001


def pairs(row: int, words: Iterable[int]) -> set[tuple[int, ...]]:
    return {(row, one, other) for one, other in permutations(words, 2)}


@pytest.mark.parametrize(
    ("one", "other", "at_the_edge", "same"),
    [
        (pairs(0, range(32)), pairs(0, range(32)), (), True),
        # of words that are equally likely, each run took others
        (pairs(0, range(32)), pairs(0, range(1, 33)), {(0, 0), (0, 32)}, True),
        (pairs(0, range(32)), pairs(0, range(1, 33)), {(0, 0)}, False),
        (pairs(0, range(32)), pairs(0, range(1, 33)), {(1, 0), (1, 32)}, False),
        (pairs(0, range(4)), pairs(0, range(4)) - {(0, 1, 2)}, {(0, 0), (0, 3)}, False),
        # the pairs of a word that both have are those with the words at the edge
        (pairs(0, range(2)), set(), {(0, 1)}, True),
        (pairs(0, range(3)), set(), {(0, 2)}, False),
        (pairs(0, range(3)), pairs(1, range(3)), (), False),
    ],
)
def test_pairs_may_differ_by_candidates_at_the_edge_and_by_nothing_else(
    one, other, at_the_edge, same
):
    edge = np.zeros((2, 40), dtype=bool)
    for row, word in at_the_edge:
        edge[row, word] = True
    assert same_pairs(one, other, edge, edge) is same
    assert same_pairs(other, one, edge, edge) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([0.1, 0.9], [0.2, 0.8], True),
        ([0.1, 0.9], [0.6, 0.4], False),
        ([0.50001, 0.49999], [0.49999, 0.50001], True),
    ],
)
def test_labels_may_differ_by_a_tie_and_by_nothing_else(one, other, same):
    assert same_labels(np.array([one]), np.array([other])) is same


def variant(
    entity: float = 0.9,
    relation: float = 0.8,
    messages_s: float = 100.0,
    runs_on: str = "cpu",
    independent: bool = True,
):
    return {
        "f1": {"entity": entity, "relation": relation},
        "messages_s": messages_s,
        "runs_on": runs_on,
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
    assert recommend(variants, "cpu") is None


FP32 = variant(messages_s=90)
INT8 = variant(messages_s=200)
BF16 = variant(messages_s=150)
WORSE = variant(messages_s=900, relation=0.5)
FP16 = variant(messages_s=9000, runs_on="gpu")


@pytest.mark.parametrize(
    ("variants", "cpu", "openvino", "gpu"),
    [
        ({"fp32": FP32}, "fp32", "fp32", None),
        ({"fp32": FP32, "int8": INT8}, "int8", "fp32", None),
        ({"fp32": FP32, "int8": INT8, "bf16": BF16}, "int8", "bf16", None),
        ({"fp32": FP32, "int8": WORSE, "bf16": BF16}, "bf16", "bf16", None),
        ({"fp32": FP32, "int8": INT8, "bf16": WORSE}, "int8", "fp32", None),
        ({"fp32": FP32, "int8": variant(messages_s=80)}, "fp32", "fp32", None),
        ({"fp32": FP32, "int8": INT8, "fp16": FP16}, "int8", "fp32", "fp16"),
        ({"fp32": FP32, "fp16": WORSE}, "fp32", "fp32", None),
    ],
)
def test_of_what_the_kernels_take_the_fastest_servable_variant_is_recommended(
    variants, cpu, openvino, gpu
):
    variants = {name: dict(row) for name, row in variants.items()}
    judge(variants, parity_passed=True)
    assert recommend(variants, "cpu") == cpu
    assert recommend(variants, "openvino") == openvino
    assert recommend(variants, "gpu") == gpu


@pytest.mark.skipif(not openvino_session.is_installed(), reason="the extra openvino is missing")
def test_what_is_recommended_for_openvino_answers_in_openvino(toy_onnx: Path):
    report = json.loads((toy_onnx / "report.json").read_text())
    chosen = report["recommended"]["openvino"]
    runtime = Runtime.load(toy_onnx, chosen, 1, provider="openvino")
    [analysis] = runtime.analyze(["well anna will meet ben in paris on friday ok"])
    assert [e.text for e in analysis.entities] == ["anna", "ben", "paris", "friday"]


def test_independence_is_measured_in_what_runs_the_variant(toy_onnx: Path, monkeypatch):
    """Else a graph for the GPU would be judged by what the CPU makes of it."""
    monkeypatch.setenv("PAX_PROVIDER", "abacus")
    found = batch_independence(toy_onnx, "fp32", ["anna works for acme"], 1e-4, "cpu")
    assert found["passed"]
