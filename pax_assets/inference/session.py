"""An opened graph that behaves on a shared machine, whatever runs it.

Left to itself ONNX Runtime takes one thread for each core of the host and lets them spin between
requests, which starves the neighbours of a shared pod. Which kernels run a graph is configuration:
the rest of PAX calls a `Session` and knows no runtime.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
import onnxruntime

from pax_assets.inference.cpu import available_cores

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
# Names the provider where the caller does not.
VARIABLE = "PAX_PROVIDER"
_GPU: dict[str, list[str]] = {
    "cuda": ["CUDAExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
_CPU = "CPUExecutionProvider"


class ModelFileError(ValueError):
    """An ONNX file that cannot be loaded; the message names the file and the reason."""


class OtherGraphError(ModelFileError):
    """An ONNX file that another version of PAX exported: it takes or gives something else."""


class ProviderError(ValueError):
    """A provider that this machine or installation does not have; the message says what to do."""


class Session(Protocol):
    """An opened graph. Several threads may call it at once."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on int64 arrays by name; return the outputs by name."""
        ...


class OnnxRuntimeSession:
    """A graph in ONNX Runtime."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(value.name for value in session.get_inputs())
        self.outputs = tuple(value.name for value in session.get_outputs())

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on int64 arrays by name; return the outputs by name."""
        given = {name: inputs[name] for name in self.inputs}
        outputs = self._session.run(self.outputs, given)
        return {name: np.asarray(out) for name, out in zip(self.outputs, outputs, strict=True)}


def named_provider(name: str | None = None) -> Provider:
    """Return the provider by `name`, else that of `PAX_PROVIDER`, else "cpu"."""
    chosen = name or os.environ.get(VARIABLE) or "cpu"
    if chosen not in PROVIDERS:
        raise ProviderError(f"{VARIABLE} is {chosen!r}, and is one of {', '.join(PROVIDERS)}")
    return chosen


def open_session(
    model: Path, threads: int = 0, provider: str | None = None, *, bf16: bool = False
) -> Session:
    """Load `model` with `threads` threads (0: as many as this process may use).

    `provider` None takes what `PAX_PROVIDER` names. With `bf16` OpenVINO computes in that, whatever
    the provider: ONNX Runtime has no such kernels for a CPU. Raises `ModelFileError` and
    `ProviderError`.
    """
    if not model.is_file():
        raise ModelFileError(f"{model} does not exist: this variant was not exported")
    chosen = named_provider(provider)
    if bf16 or chosen == "openvino":
        from pax_assets.inference.openvino_session import OpenVinoSession

        return OpenVinoSession(model, threads or available_cores(), bf16=bf16)
    return session_of(str(model), str(model), threads, chosen)


def session_of(
    model: str | bytes, name: str, threads: int = 0, provider: Provider = "cpu"
) -> OnnxRuntimeSession:
    """Open a file or the bytes of one in ONNX Runtime; `name` is what errors call it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Batches have many shapes: a memory plan for each would only accumulate.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model,
            options,
            providers=[*_gpu(provider), _CPU],
            # On a CPU slower than the two operators that it replaces.
            disabled_optimizers=["SkipLayerNormFusion"] if provider == "cpu" else None,
        )
    except ProviderError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise ModelFileError(f"{name} cannot be loaded: {error}") from error
    # Where a driver or a library of the GPU is missing, it goes on without a GPU, and says nothing.
    if left_out := [wanted for wanted in _gpu(provider) if wanted not in session.get_providers()]:
        raise ProviderError(
            f"{VARIABLE} is {provider}, and {left_out[0]} could not start: look for the NVIDIA "
            "driver, CUDA and cuDNN that this onnxruntime-gpu needs"
        )
    return OnnxRuntimeSession(session)


def _gpu(provider: Provider) -> list[str]:
    wanted = _GPU.get(provider, [])
    missing = [name for name in wanted if name not in onnxruntime.get_available_providers()]
    if missing:
        raise ProviderError(
            f"{VARIABLE} is {provider}, and this ONNX Runtime has no {missing[0]}: install "
            "onnxruntime-gpu in place of onnxruntime, on a machine with an NVIDIA GPU"
        )
    return wanted
