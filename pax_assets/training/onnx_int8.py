"""Eight bits with scales that are fixed before: fast, and an answer never depends on its batch.

Scales that are found at run time are those of a whole batch, so that a text is answered otherwise
beside another one. Fixed ones lose accuracy where single channels of a transformer are a hundred
times larger than the others. So channels are evened out before they are rounded, as SmoothQuant
does (Xiao et al. 2023, arXiv:2211.10438): what is divided out of a channel of the activations is
multiplied into the weights. How much is chosen for each product by the error that it leaves on
texts of the training set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pax_assets.inference.pipeline import Pipeline
from pax_assets.inference.session import session_of
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.onnx_fusion import MICROSOFT, constants, drop_unused, is_attention

# Products with fewer weights are not worth rounding the activations for.
LEAST_WEIGHTS = 10_000
# How far channels are evened out, from 0 (not at all) to 1 (completely), and which share of the
# range of activations is kept: both are tried out.
EVENED = (0.3, 0.5, 0.6, 0.7, 0.8)
KEPT = (1.0, 0.85, 0.7, 0.55)
# Rows of activations that are kept of each calibration batch, and on which the choice is made.
ROWS_A_BATCH = 512
ROWS = 1024
# Shares of the products that stay whole, tried until no head loses too much.
WHOLE = (0.0, 1 / 6, 1 / 3)
# Added to the activations' own products, as a share of them, so that these can be inverted.
DAMPING = 0.01
_BLOCK = 64
# Which of the 256 levels stands for zero, where rows have steps of their own.
ZEROS = (8, 16, 32, 64)
_LEVELS = 255
# The most that a weight may be, and two neighbours of a column together where both have one sign.
# Chips without instructions for such products (VNNI) add two of them in 16 bits: with more, the
# largest sums would be cut off there, and a model would say one thing here and another there.
_WEIGHT, _TWO_WEIGHTS = 127, 128
# Between the finest steps of weights, and those with which no two would be too much.
COARSER = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """How the activations of a tensor are rounded: value / by (C,) + zero, in 8 bits, unsigned.

    With `least`, each row (a token) is first divided by a step of its own: that by which its
    largest value just fits, or `least` where that is more, so that the smallest values fit too.
    `error` is the squared error of the products, as a share of their squares.
    """

    by: np.ndarray
    zero: int
    error: float = np.inf
    least: float | None = None

    def rounded(self, activations: np.ndarray) -> np.ndarray:
        """Return what `activations` (N, C) / by are after rounding, as floats."""
        values = activations / self.by
        steps = np.ones((len(values), 1), dtype=np.float32)
        if self.least is not None:
            largest = values.max(axis=1, keepdims=True) / (_LEVELS - self.zero)
            steps = np.maximum(largest, self.least)
        return (np.clip(np.round(values / steps) + self.zero, 0, _LEVELS) - self.zero) * steps


class Quantizer:
    """Writes the graph at `fp32` in 8 bits, calibrated on `texts`.

    `folder` has the tokenizer and the labels. Products of tokens with weights are rounded; pairs of
    words, lookups and attention's scores stay as they are. What takes time is done once, however
    many ways of it are written.
    """

    def __init__(self, fp32: Path, folder: Path, texts: Sequence[str]) -> None:
        self._fp32, self._folder, self._texts = fp32, folder, texts

    def write(self, path: Path, *, whole: float = 0.0) -> None:
        """Write the graph to `path`, where the share `whole` of the products is not rounded.

        Those are the first ones: what is lost there goes through all layers behind.
        """
        scales, matrices = self._rounded
        model = onnx.load(str(self._fp32))
        products = _products(model.graph)
        names = [node.name for node in products[round(whole * len(products)) :]]
        _rewrite(model, {name: matrices[name] for name in names}, scales)
        _fold_biases(model.graph)
        drop_unused(model.graph)
        onnx.save(model, str(path))

    @cached_property
    def _rounded(self) -> tuple[dict[str, Scale], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """The scales by tensor, and by product its matrix in int8 (C, M) and the factors (M,)."""
        model = onnx.load(str(self._fp32))
        by_input: dict[str, list[onnx.NodeProto]] = {}
        for node in _products(model.graph):
            by_input.setdefault(node.input[0], []).append(node)
        activations = _activations(model, sorted(by_input), self._folder, self._texts)
        weights = constants(model.graph)
        scales: dict[str, Scale] = {}
        matrices: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name, nodes in by_input.items():
            parts = [numpy_helper.to_array(weights[node.input[1]]) for node in nodes]
            # Attention's kernel takes one step for all tokens.
            scale = scales[name] = best_scale(
                activations[name],
                np.concatenate(parts, axis=1),
                rows=not any(map(is_attention, nodes)),
            )
            for node, part in zip(nodes, parts, strict=True):
                matrices[node.name] = fitted_weights(
                    part * scale.by[:, None], scale.rounded(activations[name])
                )
        return scales, matrices


def _products(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes that multiply tokens (B, L, C) with constant weights (C, N).

    Those of pairs come after a selection of pairs: their inputs are not of every token.
    """
    known = constants(graph)
    selected: set[str] = set()
    found = []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"node_{number}"
        if node.op_type in {"NonZero", "TopK"} or selected.intersection(node.input):
            selected.update(node.output)
            continue
        weight = known.get(node.input[1]) if len(node.input) > 1 else None
        is_product = weight is not None and (node.op_type == "MatMul" or is_attention(node))
        if is_product and len(weight.dims) == 2 and np.prod(weight.dims) >= LEAST_WEIGHTS:
            found.append(node)
    return found


def _activations(
    model: onnx.ModelProto, names: Sequence[str], folder: Path, texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """Run the model on `texts`; return rows of the named tensors (N, C), padding left out."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = session_of(watched.SerializeToString(), "the graph to calibrate")
    random = np.random.default_rng(0)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def forward(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = session(inputs)
        real = np.argwhere(inputs["attention_mask"] > 0)
        chosen = real[random.permutation(len(real))[:ROWS_A_BATCH]]
        for name in names:
            rows[name].append(outputs[name][chosen[:, 0], chosen[:, 1]])
        return outputs

    Pipeline(TextTokenizer.load(folder), LabelScheme.load(folder), forward).analyze(texts)
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def best_scale(activations: np.ndarray, weights: np.ndarray, *, rows: bool = True) -> Scale:
    """Choose how to round `activations` (N, C), which are multiplied with `weights` (C, M).

    `rows` allows steps by row. They cost a pass over the activations, and are taken only where they
    halve the error: after GELU, where a few tokens are many times larger than all others.
    """
    sample = activations[np.random.default_rng(0).permutation(len(activations))[:ROWS]]
    wanted = sample @ weights
    power = float((wanted**2).mean()) or 1.0

    def judged(scale: Scale) -> Scale:
        matrix, factors = rounded_weights(weights * scale.by[:, None])
        product = scale.rounded(sample) @ matrix.astype(np.float32) * factors
        return replace(scale, error=float(((product - wanted) ** 2).mean()) / power)

    fixed = min(map(judged, _fixed(activations, weights)), key=lambda scale: scale.error)
    if not rows:
        return fixed
    by_row = min(map(judged, _by_row(activations)), key=lambda scale: scale.error)
    return by_row if by_row.error < 0.5 * fixed.error else fixed


def _fixed(activations: np.ndarray, weights: np.ndarray) -> Iterator[Scale]:
    lowest, highest = activations.min(axis=0), activations.max(axis=0)
    largest = np.maximum(np.abs(activations).max(axis=0), 1e-5)
    heaviest = np.maximum(np.abs(weights).max(axis=1), 1e-5)
    for evened in EVENED:
        channel = largest**evened / heaviest ** (1 - evened)
        low = min(float((lowest / channel).min()), 0.0)
        high = max(float((highest / channel).max()), low + 1e-6)
        zero = int(np.clip(round(-low / (high - low) * _LEVELS), 0, _LEVELS))
        for kept in KEPT:
            yield Scale((channel * (high - low) * kept / _LEVELS).astype(np.float32), zero)


def _by_row(activations: np.ndarray) -> Iterator[Scale]:
    ones = np.ones(activations.shape[1], dtype=np.float32)
    lowest = max(-float(activations.min()), 1e-6)
    for zero in ZEROS:
        yield Scale(ones, zero, least=lowest / zero)


def rounded_weights(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 (C, M) and the float32 factor (M,) of each column."""
    factors = _factors(weights)
    return _cut(weights, factors).astype(np.int8), factors


def _cut(weights: np.ndarray, factors: np.ndarray) -> np.ndarray:
    found = np.clip(np.round(weights / factors), -_WEIGHT, _WEIGHT)
    found[1::2] = np.clip(found[1::2], *_room(found[: len(found) - 1 : 2]))
    return found


def _room(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the most that a weight may be after `first`, its even neighbour."""
    least = np.maximum(-_WEIGHT, -_TWO_WEIGHTS - np.minimum(first, 0))
    most = np.minimum(_WEIGHT, _TWO_WEIGHTS - np.maximum(first, 0))
    return least, most


def fitted_weights(weights: np.ndarray, rounded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `rounded_weights`, with less error on the activations `rounded` (N, C).

    What rounding a row of weights leaves is made good by the rows after it, as far as activations
    go together (GPTQ, Frantar et al. 2022, arXiv:2210.17323).
    """
    factors = _factors(weights)
    together = rounded.T.astype(np.float64) @ rounded / len(rounded)
    channels = len(together)
    together[np.diag_indices(channels)] += max(DAMPING * np.trace(together) / channels, 1e-9)
    upper = np.linalg.cholesky(np.linalg.inv(together)).T
    left = weights.astype(np.float64)
    found = np.zeros(weights.shape, dtype=np.int8)
    for begin in range(0, channels, _BLOCK):
        end = min(begin + _BLOCK, channels)
        errors = np.zeros((end - begin, weights.shape[1]))
        for row in range(begin, end):
            room = _room(found[row - 1].astype(int)) if row % 2 else (-_WEIGHT, _WEIGHT)
            found[row] = np.clip(np.round(left[row] / factors), *room)
            errors[row - begin] = (left[row] - found[row] * factors) / upper[row, row]
            left[row + 1 : end] -= np.outer(upper[row, row + 1 : end], errors[row - begin])
        left[end:] -= upper[begin:end, end:].T @ errors
    return found, factors


def _factors(weights: np.ndarray) -> np.ndarray:
    """Return the step (M,) of each column: fine, or so coarse that neighbours need no room."""
    finest = np.abs(weights).max(axis=0) / _WEIGHT
    first, second = weights[: len(weights) - 1 : 2], weights[1::2]
    both = np.where(first * second > 0, np.abs(first + second), 0).max(axis=0, initial=0)
    coarsest = np.maximum(finest, both / _TWO_WEIGHTS)
    tried = np.stack([finest + share * (coarsest - finest) for share in COARSER])
    tried[tried == 0] = 1
    errors = [((_cut(weights, steps) * steps - weights) ** 2).sum(axis=0) for steps in tried]
    best = np.argmin(errors, axis=0)
    return tried[best, np.arange(weights.shape[1])].astype(np.float32)


def _rewrite(
    model: onnx.ModelProto,
    matrices: dict[str, tuple[np.ndarray, np.ndarray]],
    scales: dict[str, Scale],
) -> None:
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    done: set[str] = set()

    def constant(name: str, value: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    one = constant("int8_one", np.array(1, dtype=np.float32))
    for node in graph.node:
        if node.name not in matrices:
            nodes.append(node)
            continue
        value = node.input[0]
        scale = scales[value]
        rounded, zero, step = f"{value}_int8", f"{value}_zero", f"{value}_step"
        if value not in done:
            done.add(value)
            constant(zero, np.array(scale.zero, dtype=np.uint8))
            # One factor for each channel, then one for all: rounding by channel is a slow kernel.
            if scale.least is None:
                by = constant(f"{value}_by", (1 / scale.by).astype(np.float32))
                nodes.append(_node("Mul", [value, by], f"{value}_evened"))
            else:
                last = constant(f"{value}_last", np.array([-1], dtype=np.int64))
                share = constant(f"{value}_share", np.float32([1 / (_LEVELS - scale.zero)]))
                least = constant(f"{value}_least", np.float32([scale.least]))
                nodes += [
                    _node("ReduceMax", [value, last], f"{value}_largest", keepdims=1),
                    _node("Mul", [f"{value}_largest", share], f"{value}_fitting"),
                    _node("Max", [f"{value}_fitting", least], step),
                    _node("Div", [value, step], f"{value}_evened"),
                ]
            nodes.append(_node("QuantizeLinear", [f"{value}_evened", one, zero], rounded))
        matrix, factors = matrices[node.name]
        weight = constant(f"{node.name}_weight", matrix)
        factor = constant(f"{node.name}_factor", factors)
        none = constant(f"{node.name}_weight_zero", np.zeros(len(factors), dtype=np.int8))
        if is_attention(node):
            _, _, bias, mask = node.input
            kept = {
                a.name: helper.get_attribute_value(a)
                for a in node.attribute
                if a.name in {"num_heads", "mask_filter_value", "scale"}
            }
            inputs = [rounded, weight, bias, one, factor, mask, zero, none]
            nodes.append(
                helper.make_node(
                    "QAttention", inputs, node.output, name=node.name, domain=MICROSOFT, **kept
                )
            )
        else:
            inputs = [rounded, weight, one, factor, zero, none]
            [output] = node.output
            product = output if scale.least is None else f"{output}_of_rows"
            nodes.append(_node("MatMulIntegerToFloat", inputs, product, domain=MICROSOFT))
            if scale.least is not None:
                nodes.append(_node("Mul", [product, step], output))
    del graph.node[:]
    graph.node.extend(nodes)
    if all(opset.domain != MICROSOFT for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))


def _node(kind: str, inputs: Sequence[str], output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=f"{output}_made", **attributes)


def _fold_biases(graph: onnx.GraphProto) -> None:
    """Let the integer product add the bias that a node after it adds."""
    known = constants(graph)
    producer = {node.output[0]: node for node in graph.node if node.output}
    uses: dict[str, int] = {output.name: 1 for output in graph.output}
    for node in graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    nodes = []
    for node in graph.node:
        product, bias = _added(node, producer, known)
        if product is None or uses[product.output[0]] > 1:
            nodes.append(node)
            continue
        product.input.append(bias)
        if node.op_type == "Add":
            product.output[0] = node.output[0]
        else:
            gelu = helper.make_node("Gelu", [product.output[0]], node.output, name=node.name)
            nodes.append(gelu)
    del graph.node[:]
    graph.node.extend(nodes)


def _added(
    node: onnx.NodeProto,
    producer: dict[str, onnx.NodeProto],
    known: dict[str, onnx.TensorProto],
) -> tuple[onnx.NodeProto | None, str]:
    """Return the integer product without a bias that `node` adds one to, and the bias."""
    if node.op_type in {"Add", "BiasGelu"}:
        for value, bias in (tuple(node.input), tuple(node.input)[::-1]):
            product = producer.get(value)
            if (
                product is not None
                and product.op_type == "MatMulIntegerToFloat"
                and len(product.input) == 6
                and bias in known
                and len(known[bias].dims) == 1
            ):
                return product, bias
    return None, ""
