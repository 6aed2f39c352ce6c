"""A graph in OpenVINO, for processors on which it is faster than ONNX Runtime's own kernels.

It computes in bf16, which on a chip with matrix units for it (AMX) is several times as fast as
fp32, and needs no other weights. Its package is as large as all else that the service installs,
so it is an extra (`pip install 'pax-assets[openvino]'`).
"""

from __future__ import annotations

from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from pax_assets.inference import session
from pax_assets.inference.pipeline import OUTPUTS


def is_installed() -> bool:
    """Whether OpenVINO can be used here."""
    from importlib.util import find_spec

    return find_spec("openvino") is not None


def bf16_missing() -> str:
    """Return why a model cannot compute in bf16 here, "" if it can.

    Where the processor has no bf16 OpenVINO takes fp32, and says nothing.
    """
    if not is_installed():
        return "OpenVINO is not installed here"
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "" if "BF16" in able else "this processor does not compute in bf16"


class OpenVinoSession:
    """A graph compiled for the CPU; calls that are under way each have their own buffers.

    Buffers belong to the session, not to threads: an engine's threads end whenever it likes, and
    would then free them outside of Python.
    """

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
        self._free: SimpleQueue[Any] = SimpleQueue()

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on int64 arrays by name; return the outputs by name."""
        try:
            request = self._free.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            # Inputs are copied: a request that is kept must not point at its caller's arrays.
            request.infer({name: inputs[name] for name in self.inputs}, share_inputs=False)
            # Outputs, too: the buffers are written again by the next call.
            return {name: request.get_tensor(name).data.copy() for name in self.outputs}
        finally:
            self._free.put(request)


def _name(names: set[str]) -> str:
    """Return what PAX calls an output: OpenVINO also keeps the names of what it optimised away."""
    return min(names.intersection(OUTPUTS) or names)
