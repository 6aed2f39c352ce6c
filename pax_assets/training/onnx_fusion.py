"""The exported graph with the kernels that ONNX Runtime has for transformers.

The exporter writes attention as a dozen small operators. ONNX Runtime runs them as one kernel, if
the graph says so, and only that kernel exists for 8 bits. The patterns are onnxscript's; here
stands what they leave open: constants are folded, attention is told where padding is (instead of a
table of L x L numbers a text), and the one fusion that is slower than its parts is undone.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxscript.rewriter.ort_fusions import optimize_for_ort

from pax_assets.inference.pipeline import INPUTS

MICROSOFT = "com.microsoft"
MASK = "attention_mask"
# What a score of attention must at least be lowered by to count as none.
_NOTHING = -1e4


def fuse(path: Path, length: int) -> bool:
    """Rewrite the graph at `path` in place; False, and nothing changed, where it cannot be.

    `length` is that of the longest window. Encoders whose attention is more than a mask of padding
    (relative positions, sliding windows) keep the exporter's graph.
    """
    with _quiet():
        fused, counts = optimize_for_ort(onnx_ir.load(str(path)))
    if not counts.get("attention"):
        return False
    model = onnx_ir.to_proto(fused)
    biases = {
        node.input[5] for node in model.graph.node if is_attention(node) and len(node.input) > 5
    }
    if len(biases) != 1 or not _only_padding(model, biases.pop(), length):
        return False
    _fold_joined_constants(model.graph)
    _point_to_the_mask(model.graph)
    _undo_skip_layer_norm(model.graph)
    drop_unused(model.graph)
    onnx.save(model, str(path))
    return True


def is_attention(node: onnx.NodeProto) -> bool:
    """Whether a node is ONNX Runtime's fused attention, projections included."""
    return node.op_type == "Attention" and node.domain == MICROSOFT


def constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the graph's constants by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def drop_unused(graph: onnx.GraphProto) -> None:
    """Delete nodes and constants that no output depends on."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [t for t in graph.initializer if t.name in needed])


def _only_padding(model: onnx.ModelProto, bias: str, length: int) -> bool:
    """Whether attention's additive mask says nothing but which tokens are padding."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    _replace(probe.graph.output, [helper.make_tensor_value_info(bias, TensorProto.FLOAT, None)])
    drop_unused(probe.graph)
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    mask = np.ones((2, length), dtype=np.int64)
    mask[1, length // 2 :] = 0
    values = dict(zip(INPUTS, (np.ones_like(mask), mask, np.ones_like(mask)), strict=True))
    taken = {value.name: values[value.name] for value in session.get_inputs()}
    [found] = session.run([bias], taken)
    if found.ndim != 4 or found.shape[1] != 1:
        return False
    seen = np.broadcast_to(mask[:, None, None, :] > 0, found.shape)
    return bool((found[seen] == 0).all() and (found[~seen] <= _NOTHING).all())


def _fold_joined_constants(graph: onnx.GraphProto) -> None:
    """Join weights now that are joined at every run."""
    known = constants(graph)
    kept = []
    for node in graph.node:
        if node.op_type == "Concat" and all(name in known for name in node.input):
            parts = [numpy_helper.to_array(known[name]) for name in node.input]
            joined = np.concatenate(parts, axis=node.attribute[0].i)
            graph.initializer.append(numpy_helper.from_array(joined, node.output[0]))
        else:
            kept.append(node)
    _replace(graph.node, kept)


def _point_to_the_mask(graph: onnx.GraphProto) -> None:
    mask = f"{MASK}_int32"
    cast = helper.make_node("Cast", [MASK], [mask], name=mask, to=TensorProto.INT32)
    for node in graph.node:
        if is_attention(node):
            _replace(node.input, [*node.input[:3], mask])
    _replace(graph.node, [cast, *graph.node])


def _undo_skip_layer_norm(graph: onnx.GraphProto) -> None:
    """Add, then normalise: on a CPU the kernel for both took three times as long as the two."""
    kept = []
    for node in graph.node:
        if node.op_type != "SkipLayerNormalization":
            kept.append(node)
            continue
        value, skip, gamma, beta, *bias = node.input
        for number, other in enumerate([*bias, skip]):
            summed = f"{node.output[0]}_sum{number}"
            kept.append(helper.make_node("Add", [value, other], [summed], name=summed))
            value = summed
        epsilon = next(a.f for a in node.attribute if a.name == "epsilon")
        kept.append(
            helper.make_node(
                "LayerNormalization",
                [value, gamma, beta],
                [node.output[0]],
                name=node.name,
                axis=-1,
                epsilon=epsilon,
            )
        )
    _replace(graph.node, kept)


def _replace(field, values) -> None:
    del field[:]
    field.extend(values)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hush the rewriter, which tells of every pattern that does not match."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
