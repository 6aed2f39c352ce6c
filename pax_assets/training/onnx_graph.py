"""From the torch model to ONNX files: full precision, and the quantized candidates.

Quantization is where a good model is lost without an error. So every way of doing it is only a
candidate here, a file in a folder; `training.export` measures each and says what may be served.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import torch

from pax_assets.inference.pipeline import INPUTS, OUTPUTS
from pax_assets.inference.runtime import MODEL_FILE
from pax_assets.training.model import MessageModel

# Any batch and length will do for tracing; unequal ones, so that none is taken for the other.
TRACED = (2, 9)
# Weights share a scale in blocks of this many.
BLOCK = 32


def export_fp32(model: MessageModel, output: Path) -> Path:
    """Write `<output>/fp32/model.onnx` with dynamic batch and length, weights inside."""
    path = _place(output, "fp32")
    # Three tensors of their own: handed one object for two inputs, the exporter took them for
    # one input and wrote a graph that ran, and answered nonsense.
    ids, attention, shapes = (torch.ones(TRACED, dtype=torch.int64) for _ in range(3))
    shapes[:, 0] = 0
    axes = {0: "batch", 1: "length"}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(),
            (ids, attention, shapes),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=(axes, axes, axes),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _require_dynamic(path)
    return path


def _require_dynamic(path: Path) -> None:
    """A misspelt axis is ignored by the exporter; say so here instead of at the first batch."""
    graph = onnx.load(str(path), load_external_data=False).graph
    for value in graph.input:
        sizes = value.type.tensor_type.shape.dim
        if any(size.HasField("dim_value") for size in sizes):
            raise RuntimeError(f"{path}: the exporter fixed the shape of {value.name}: {sizes}")


def quantize_int8(fp32: Path, output: Path) -> Path:
    """Write int8: weights by channel, activations scaled over the whole tensor at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = _place(output, "int8")
    with _quiet():
        quantize_dynamic(
            str(fp32),
            str(path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm"],
        )
    return path


def quantize_q8(fp32: Path, output: Path) -> Path:
    """Write q8: 8-bit weights in blocks; activations, if at all, are scaled row by row.

    A row is a token, so no answer can depend on other rows, unlike with int8.
    """
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    path = _place(output, "q8")
    quantizer = MatMulNBitsQuantizer(
        onnx.load(str(fp32)), bits=8, block_size=BLOCK, is_symmetric=True, accuracy_level=4
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(path), use_external_data_format=False)
    return path


CANDIDATES: dict[str, Callable[[Path, Path], Path]] = {"int8": quantize_int8, "q8": quantize_q8}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hush the quantizer, which advises a step that gained nothing here on the root logger."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)


def _place(output: Path, variant: str) -> Path:
    folder = output / variant
    folder.mkdir(parents=True, exist_ok=True)
    return folder / MODEL_FILE
