"""A graph in OpenVINO, for processors on which it is faster than ONNX Runtime's own kernels.

It computes in bf16, which on a chip with matrix units for it (AMX) is several times as fast as
fp32, and needs no other weights. Its package is as large as all else that the service installs,
so it is an extra (`pip install 'pax-assets[openvino]'`).
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from pax_assets.inference import session
from pax_assets.inference.pipeline import OUTPUTS


def is_installed() -> bool:
    """Whether OpenVINO can be used here."""
    from importlib.util import find_spec

    return find_spec("openvino") is not None


class OpenVinoSession:
    """A graph compiled for the CPU; the threads that call it each have their own buffers."""

    def __init__(self, model: Path, threads: int, *, bf16: bool) -> None:
        if not is_installed():
            raise session.ProviderError(
                f"{model} is to run in OpenVINO, which is not installed: "
                "pip install 'pax-assets[openvino]', or choose another variant"
            )
        import openvino

        options = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(str(model)), "CPU", options)
        except RuntimeError as error:
            raise session.ModelFileError(f"{model} cannot be loaded: {error}") from error
        self.inputs = tuple(value.get_any_name() for value in self._compiled.inputs)
        self.outputs = tuple(_name(value.get_names()) for value in self._compiled.outputs)
        self._own = threading.local()

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on int64 arrays by name; return the outputs by name."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        request = self._own.request
        request.infer({name: inputs[name] for name in self.inputs}, share_inputs=True)
        # Copies: the buffers are written again by the next call.
        return {name: request.get_tensor(name).data.copy() for name in self.outputs}


def _name(names: set[str]) -> str:
    """Return what PAX calls an output: OpenVINO also keeps the names of what it optimised away."""
    return min(names.intersection(OUTPUTS) or names)
