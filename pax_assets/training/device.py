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


@dataclass(frozen=True, slots=True)
class Place:
    """A process among `world` ones, its device, and whether autocast to bf16 pays there."""

    rank: int
    world: int
    device: torch.device
    bf16: bool

    @property
    def backend(self) -> str:
        """The collective backend of torch.distributed."""
        return "nccl" if self.device.type == "cuda" else "gloo"


def place(precision: str = "auto", cpuinfo: Path = Path("/proc/cpuinfo")) -> Place:
    """Read torchrun's environment and the hardware; set torch's threads.

    `precision` is "auto", "bf16" or "fp32".
    """
    rank = int(os.environ.get("RANK", "0"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        device = torch.device("cpu")
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        torch.set_num_threads(max(1, available_cores() // beside))
        pays = cpu_multiplies_bf16(cpuinfo)
    return Place(rank, world, device, pays if precision == "auto" else precision == "bf16")


def cpu_multiplies_bf16(cpuinfo: Path) -> bool:
    """Whether the processor has bf16 instructions (Linux on x86; elsewhere False)."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())
