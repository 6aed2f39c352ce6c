"""An ONNX Runtime session that behaves on a shared machine.

Left to itself the session takes one thread for each core of the host and lets them spin
between requests, which starves the neighbours of a shared pod.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from pax_assets.inference.cpu import available_cores


class ModelFileError(ValueError):
    """An ONNX file that cannot be loaded; the message names the file and the reason."""


class OtherGraphError(ModelFileError):
    """An ONNX file that another version of PAX exported: it takes other inputs."""


def open_session(model: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Load `model` on the CPU with `threads` threads (0: as many as this process may use)."""
    if not model.is_file():
        raise ModelFileError(f"{model} does not exist: this variant was not exported")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Batches have many shapes: a memory plan for each would only accumulate.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise ModelFileError(f"{model} cannot be loaded: {error}") from error


def run(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the outputs by name."""
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, inputs)
    return {name: np.asarray(out) for name, out in zip(names, outputs, strict=True)}
