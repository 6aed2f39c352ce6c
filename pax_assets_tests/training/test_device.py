"""Under test: where bf16 pays, and who takes part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch  # noqa: TID253

from pax_assets.training.device import Place, cpu_multiplies_bf16, place


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("processor: 0\nflags\t\t: fpu avx2 avx512_bf16 fsrm\n", True),
        ("flags : fpu amx_bf16\n", True),
        ("flags : fpu avx2 avx512f\n", False),
        ("Features : fp asimd bf16\n", False),
        (None, False),
    ],
)
def test_bf16_pays_where_the_processor_multiplies_it(tmp_path: Path, content, expected):
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    assert cpu_multiplies_bf16(tmp_path / "cpuinfo") is expected


@pytest.mark.parametrize(("precision", "bf16"), [("bf16", True), ("fp32", False)])
def test_the_precision_can_be_prescribed(precision, bf16):
    assert place(precision).bf16 is bf16


def test_torchruns_environment_says_who_we_are(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    where = place()
    assert (where.rank, where.world, where.backend) == (1, 2, "gloo")


@pytest.mark.parametrize(("asked", "compiled"), [("auto", False), ("on", True), ("off", False)])
def test_on_a_cpu_the_encoder_is_compiled_only_where_asked_for(asked, compiled):
    assert place(compilation=asked).compiled is compiled


@pytest.mark.parametrize(
    ("name", "bf16", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", True, 2 * 989e12),
        ("NVIDIA A100-SXM4-80GB", True, 2 * 312e12),
        ("NVIDIA L4", True, 2 * 121e12),
        ("NVIDIA L40S", True, 2 * 362e12),
        ("NVIDIA H100 80GB HBM3", False, None),
        ("Quadro T1000", True, None),
    ],
)
def test_the_peak_of_all_devices_is_stated_where_it_is_known(monkeypatch, name, bf16, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert Place(0, 2, torch.device("cuda", 0), bf16).peak == peak


def test_a_cpu_has_no_stated_peak_and_takes_the_attention_that_is_exported():
    where = Place(0, 1, torch.device("cpu"), True)
    assert (where.peak, where.attention) == (None, "eager")
