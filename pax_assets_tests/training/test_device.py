"""Under test: where bf16 pays, and who takes part."""

from __future__ import annotations

from pathlib import Path

import pytest

from pax_assets.training.device import cpu_multiplies_bf16, place


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
