"""Fixtures of the toy model line: encoder, dataset, trained model, ONNX artifact.

Training and exporting take seconds. Several rooms' conftest files import these fixtures, which
makes each a fixture of its own to pytest; the work behind them is therefore cached here, once
for a test process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from pax_assets_tests.toy_model import toy_corpus, write_toy_encoder

TOY_RECIPE = (
    "--epochs=10",
    "--encoder-rate=2e-3",
    "--head-rate=3e-3",
    "--no-freeze-embeddings",
    "--batch-tokens=256",
    "--precision=fp32",
    "--encoder-dropout=0",
)
_ROOM = tempfile.TemporaryDirectory(prefix="pax-toy-")


@cache
def _encoder() -> Path:
    return write_toy_encoder(Path(_ROOM.name) / "encoder")


@cache
def _dataset() -> Path:
    from pax_assets.corpora.tokenize import tokenize

    folder = Path(_ROOM.name) / "dataset"
    tokenize(toy_corpus(), _encoder(), folder, encoder_name="toy")
    return folder


@cache
def _model() -> Path:
    from pax_assets.training.train import main

    folder = Path(_ROOM.name) / "model"
    main([f"--dataset={_dataset()}", f"--output={folder}", f"--encoder={_encoder()}", *TOY_RECIPE])
    return folder


@cache
def _onnx() -> Path:
    folder = Path(_ROOM.name) / "onnx"
    command = [sys.executable, "-m", "pax_assets.training.export"]
    command += [f"--model={_model()}", f"--dataset={_dataset()}", f"--output={folder}"]
    # In a process of its own, as in production. Inside pytest, whose log capture listens to
    # every level, torch's exporter formats each trace record: 250 s instead of 15.
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session")
def toy_encoder() -> Path:
    """A folder with a tiny random encoder and its tokenizer."""
    return _encoder()


@pytest.fixture(scope="session")
def toy_dataset() -> Path:
    """The toy corpus, tokenized."""
    return _dataset()


@pytest.fixture(scope="session")
def toy_model() -> Path:
    """A model artifact that was trained on the toy corpus."""
    return _model()


@pytest.fixture(scope="session")
def toy_onnx() -> Path:
    """The ONNX artifact of the toy model, with its report."""
    return _onnx()
