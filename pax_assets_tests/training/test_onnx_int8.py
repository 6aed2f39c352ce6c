"""Under test: 8 bits: what rounding loses, what is kept whole, and that no neighbour matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.pipeline import INPUTS
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.session import open_session, session_of
from pax_assets.training import onnx_int8
from pax_assets.training.onnx_int8 import (
    Quantizer,
    Scale,
    best_scale,
    fitted_weights,
    rounded_weights,
)
from pax_assets.training.parity import HOSTILE, labels, score_difference


def texts_of(dataset: Path, part: str) -> list[str]:
    return [document.text for document in jsonl.read(dataset / f"{part}_gold.jsonl")]


def kinds(path: Path) -> list[str]:
    """Products of tokens with weights, in the order of the graph; those in 8 bits by their name."""
    graph = onnx.load(str(path)).graph
    products = {"Attention", "QAttention", "MatMulIntegerToFloat"}
    return [node.op_type for node in graph.node if node.op_type in products]


def written(onnx_model: Path, dataset: Path, folder: Path, whole: float) -> Path:
    """An artifact with an int8 variant, of a toy model whose weights count as large ones."""
    for name in ("tokenizer.json", "labels.json"):
        (folder / name).write_bytes((onnx_model / name).read_bytes())
    (folder / "int8").mkdir()
    fp32, path = onnx_model / "fp32" / "model.onnx", folder / "int8" / "model.onnx"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onnx_int8, "LEAST_WEIGHTS", 500)
        Quantizer(fp32, folder, texts_of(dataset, "train")[:60]).write(path, whole=whole)
    return folder


@pytest.fixture(scope="module")
def int8(toy_onnx: Path, toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(toy_onnx, toy_dataset, tmp_path_factory.mktemp("int8"), whole=0.0)


@pytest.mark.parametrize("lengths", [[9, 30, 1, 17], [40, 2]], ids=str)
def test_logits_are_the_same_bit_for_bit_alone_and_in_a_padded_batch(
    int8: Path, lengths: list[int]
):
    session = open_session(int8 / "int8" / "model.onnx", 1)
    random = np.random.default_rng(3)
    attention = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = random.integers(5, 60, size=attention.shape) * attention
    together = session(dict(zip(INPUTS, (ids, attention, attention), strict=True)))
    for row, length in enumerate(lengths):
        cut = np.s_[row : row + 1, :length]
        alone = session(dict(zip(INPUTS, (ids[cut], attention[cut], attention[cut]), strict=True)))
        for name in ("entity_logits", "trigger_logits"):
            assert np.array_equal(together[name][row, :length], alone[name][0]), name


def test_answers_are_the_same_bit_for_bit_alone_and_in_any_crowd(int8: Path, toy_dataset: Path):
    texts = [*texts_of(toy_dataset, "dev"), *HOSTILE]
    alone = Runtime.load(int8, "int8", 1)
    crowded = Runtime.load(int8, "int8", 1, batch_tokens=10**9, pad_tokens=10**9)
    together = crowded.analyze(texts)
    assert sum(len(analysis.entities) for analysis in together) > 50
    assert [alone.analyze([text])[0] for text in texts] == together


def test_the_rounded_model_says_what_the_whole_one_says(
    toy_onnx: Path, int8: Path, toy_dataset: Path
):
    texts = texts_of(toy_dataset, "dev")
    whole = Runtime.load(toy_onnx, "fp32", 1, provider="cpu").analyze(texts)
    rounded = Runtime.load(int8, "int8", 1, provider="cpu").analyze(texts)
    one, other = (
        {(n, e.type, e.start, e.end) for n, a in enumerate(found) for e in a.entities}
        for found in (whole, rounded)
    )
    assert len(one ^ other) <= 0.02 * len(one)


def test_every_product_of_tokens_is_rounded_and_the_file_is_smaller(toy_onnx: Path, int8: Path):
    files = [toy_onnx / "fp32" / "model.onnx", int8 / "int8" / "model.onnx"]
    assert kinds(files[0]) == ["Attention"] * 2
    # Attention and three products a layer, and one of each pair head; those of pairs stay whole.
    assert sorted(kinds(files[1])) == ["MatMulIntegerToFloat"] * 8 + ["QAttention"] * 2
    sizes = [file.stat().st_size for file in files]
    assert sizes[1] < 0.9 * sizes[0]


def test_the_first_products_stay_whole_and_the_others_do_not(
    toy_onnx: Path, int8: Path, toy_dataset: Path, tmp_path: Path
):
    found = kinds(written(toy_onnx, toy_dataset, tmp_path, whole=0.5) / "int8" / "model.onnx")
    assert found[0] == "Attention"
    # Of ten products five: those of the first layer, and attention in the second.
    assert found.count("MatMulIntegerToFloat") + found.count("QAttention") == 5
    assert found[-1] == "MatMulIntegerToFloat"
    assert len(kinds(int8 / "int8" / "model.onnx")) == 10


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_with_products_left_whole_answers_stay_those_of_the_whole_model(
    toy_onnx: Path, toy_dataset: Path, tmp_path: Path, share: float
):
    folder = written(toy_onnx, toy_dataset, tmp_path, whole=share)
    texts = texts_of(toy_dataset, "dev")
    whole = Runtime.load(toy_onnx, "fp32", 1, provider="cpu").analyze(texts)
    found = Runtime.load(folder, "int8", 1, provider="cpu").analyze(texts)
    for one, other in zip(whole, found, strict=True):
        assert labels(one) == labels(other)
        # The same graph where nothing is rounded.
        assert score_difference(one, other) <= (0.1 if share < 1 else 1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("channels", [16, 100])
def test_fitted_weights_lose_less_than_rounded_ones_where_channels_go_together(
    seed: int, channels: int
):
    random = np.random.default_rng(seed)
    activations = random.normal(size=(400, 6)) @ random.normal(size=(6, channels))
    activations += 0.05 * random.normal(size=activations.shape)
    weights = random.normal(size=(channels, 24)).astype(np.float32)

    def lost(rounded: tuple[np.ndarray, np.ndarray]) -> float:
        matrix, factors = rounded
        assert matrix.dtype == np.int8
        return float(((activations @ (matrix * factors - weights)) ** 2).mean())

    assert lost(fitted_weights(weights, activations)) < 0.8 * lost(rounded_weights(weights))


@pytest.mark.parametrize("rows", [7, 64, 130])
def test_no_two_neighbours_of_a_column_add_up_to_more_than_16_bits_hold(rows: int):
    random = np.random.default_rng(rows)
    # the largest weights are often neighbours
    weights = random.choice([-1.0, -0.9, 0.1, 0.9, 1.0], size=(rows, 32)).astype(np.float32)
    activations = random.normal(size=(300, rows))
    largest = np.full((4, rows), 255, dtype=np.uint8)
    for matrix, _ in (rounded_weights(weights), fitted_weights(weights, activations)):
        assert np.abs(matrix).max() > 60
        for sign in (1, -1):
            part = np.maximum(sign * matrix.astype(int), 0)
            assert (255 * (part[: rows - 1 : 2] + part[1::2])).max() <= np.iinfo(np.int16).max
        # whatever instructions this machine has
        assert (product(largest, matrix) == largest.astype(int) @ matrix.astype(int)).all()


def product(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What ONNX Runtime says of an integer product with constant weights."""
    node = helper.make_node("MatMulInteger", ["activations", "weights"], ["product"])
    taken = helper.make_tensor_value_info("activations", TensorProto.UINT8, activations.shape)
    given = helper.make_tensor_value_info("product", TensorProto.INT32, None)
    constant = numpy_helper.from_array(weights, "weights")
    graph = helper.make_graph([node], "product", [taken], [given], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return session_of(model.SerializeToString(), "a product")({"activations": activations})[
        "product"
    ]


def test_channels_that_never_speak_are_no_obstacle():
    activations = np.zeros((50, 8), dtype=np.float32)
    activations[:, 2] = 1.0
    weights = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    weights[:, 3] = 0.0
    matrix, factors = fitted_weights(weights, activations)
    np.testing.assert_allclose(matrix[2] * factors, weights[2], atol=factors.max() / 2)
    assert not matrix[:, 3].any()


def after_gelu(huge: int) -> np.ndarray:
    """Rows as an activation function leaves them, the first `huge` of them very much larger."""
    values = np.random.default_rng(1).normal(size=(400, 32))
    values = np.maximum(values, -0.17)
    values[:huge] *= np.where(values[:huge] > 0, 300, 1)
    return values.astype(np.float32)


WEIGHTS = np.random.default_rng(2).normal(size=(32, 16)).astype(np.float32)


def worst_of_small_rows(scale: Scale, activations: np.ndarray) -> float:
    back = scale.rounded(activations) * scale.by
    return float(np.abs(back - activations)[20:].max())


def test_activations_with_a_few_huge_rows_take_a_step_for_each_row():
    activations = after_gelu(huge=4)
    by_row, fixed = (best_scale(activations, WEIGHTS, rows=rows) for rows in (True, False))
    assert by_row.least is not None
    assert fixed.least is None
    assert by_row.error < 0.5 * fixed.error
    assert worst_of_small_rows(by_row, activations) < 0.05


def test_even_activations_are_rounded_with_one_step_for_all():
    scale = best_scale(after_gelu(huge=0), WEIGHTS)
    assert scale.least is None
    assert scale.error < 1e-3


def test_a_channel_that_is_a_hundred_times_larger_is_evened_out():
    activations = np.random.default_rng(4).normal(size=(400, 32)).astype(np.float32)
    activations[:, 7] *= 100
    scale = best_scale(activations, WEIGHTS, rows=False)
    assert scale.by[7] > 3 * np.median(scale.by)
    assert scale.error < 1e-3
