"""From the torch model to ONNX files: full precision, and the candidates for less.

Less precision is where a good model is lost without an error. So every way of it is only a
candidate here, a file in a folder; `training.export` measures each and says what may be served.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx
import torch

from pax_assets.inference import openvino_session
from pax_assets.inference.pipeline import INPUTS, OUTPUTS
from pax_assets.inference.runtime import BF16, MODEL_FILE
from pax_assets.training.model import MessageModel
from pax_assets.training.onnx_int8 import WHOLE, Quantizer

# Any batch and length will do for tracing; unequal ones, so that none is taken for the other.
TRACED = (2, 9)
FP16 = "fp16"
# The newest that works for every kind of encoder: from 23 on the exporter writes rotary positions
# as an operator, which ONNX Runtime refuses where a batch has more than one text.
OPSET = 22


def export_fp32(model: MessageModel, output: Path) -> Path:
    """Write `<output>/exported.onnx` with dynamic batch and length, weights inside."""
    path = output / "exported.onnx"
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
            opset_version=OPSET,
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """How to write a variant's graph to a path: each way loses less, and is slower, than the last.

    `missing` says why the variant cannot run here, if so.
    """

    ways: tuple[Callable[[Path], object], ...]
    missing: str = ""


def candidates(plain: Path, fp32: Path, texts: Sequence[str]) -> dict[str, Candidate]:
    """Return the variants to try beside fp32.

    `plain` is the exporter's graph, `fp32` the one with ONNX Runtime's kernels in it, in a folder
    with tokenizer and labels; `texts` are for calibration.
    """
    quantizer = Quantizer(fp32, fp32.parent.parent, texts)
    return {
        "int8": Candidate(tuple(partial(quantizer.write, whole=share) for share in WHOLE)),
        BF16: Candidate(
            (lambda path: shutil.copyfile(plain, path),),
            openvino_session.bf16_missing(),
        ),
        FP16: Candidate(
            (lambda path: write_fp16(fp32, path),),
            "" if has_gpu() else "needs a GPU, and an ONNX Runtime built for it",
        ),
    }


def has_gpu() -> bool:
    """Whether ONNX Runtime can use an NVIDIA GPU here."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def write_fp16(fp32: Path, path: Path) -> None:
    """Write the graph in 16 bits; inputs and outputs stay as they are."""
    from onnxruntime.transformers.float16 import (
        DEFAULT_OP_BLOCK_LIST,
        convert_float_to_float16,
    )

    # Sums over a text, and what is compared with them, need more digits than 16 bits have.
    kept = ["CumSum", "TopK", "LayerNormalization"]
    model = convert_float_to_float16(
        onnx.load(str(fp32)), keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *kept]
    )
    onnx.save(model, str(path))


def place(output: Path, variant: str) -> Path:
    """Return where a variant's graph lies in `output`; its folder is made."""
    folder = output / variant
    folder.mkdir(parents=True, exist_ok=True)
    return folder / MODEL_FILE
