"""Where a process computes, in which precision, and with how many threads.

Torch takes all cores of the host, in every process; two processes then fight over them. And
bf16 halves the time of a step where the hardware multiplies it, but slows it down elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from pax_assets.inference.cpu import available_cores

# x86 processors that multiply bf16 in hardware say so by one of these flags.
BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


# Dense bf16 products a second that makers state, by what their devices call themselves.
# https://www.nvidia.com/en-us/data-center/h100/ (SXM), .../h200/, .../a100/, .../l4/, .../l40s/
BF16_PEAKS = {
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A process among `world` ones, its device, whether autocast to bf16 pays there, and whether
    the encoder shall be compiled.
    """

    rank: int
    world: int
    device: torch.device
    bf16: bool
    compiled: bool = False

    @property
    def attention(self) -> str:
        """The attention of transformers that is fastest here: one fused kernel on a GPU."""
        return "sdpa" if self.device.type == "cuda" else "eager"

    @property
    def peak(self) -> float | None:
        """Floating-point operations a second that the devices of all processes could do at most.

        None where it is not known, as for every CPU.
        """
        if self.device.type != "cuda" or not self.bf16:
            return None
        words = torch.cuda.get_device_name(self.device).replace("-", " ").split()
        known = next((BF16_PEAKS[word] for word in words if word in BF16_PEAKS), None)
        return known and known * self.world

    @property
    def backend(self) -> str:
        """The collective backend of torch.distributed."""
        return "nccl" if self.device.type == "cuda" else "gloo"


def place(
    precision: str = "auto", cpuinfo: Path = Path("/proc/cpuinfo"), compilation: str = "auto"
) -> Place:
    """Read torchrun's environment and the hardware; set torch's threads.

    `precision` is "auto", "bf16" or "fp32"; `compilation` is "auto" (on GPUs), "on" or "off".
    """
    rank = int(os.environ.get("RANK", "0"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        device = torch.device("cpu")
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        torch.set_num_threads(max(1, available_cores() // beside))
        pays = cpu_multiplies_bf16(cpuinfo)
    # On the CPU the encoder's time is in matrix products, which compiling does not make faster.
    compiled = device.type == "cuda" if compilation == "auto" else compilation == "on"
    bf16 = pays if precision == "auto" else precision == "bf16"
    return Place(rank, world, device, bf16, compiled)


def cpu_multiplies_bf16(cpuinfo: Path) -> bool:
    """Whether the processor has bf16 instructions (Linux on x86; elsewhere False)."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())
