"""`make bench-train`: the training engine against the loop that most people start from.

The same windows (WNUT-17), encoder, number of rows a batch, rate and precision, in processes of
their own, one after the other, several rounds; medians. Tokens are those of the data: padding is
work that nobody asked for, and counting it would reward it. F1 is strict, on dev.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pax_assets.corpora.configuration import read_sources
from pax_assets.corpora.tokenize import tokenize
from pax_assets.training.device import place
from pax_assets.training.encoder import resolve
from pax_assets_tests import evals
from pax_assets_tests.benchmarks.report import finish, machine

ROUNDS = int(os.environ.get("PAX_BENCH_ROUNDS", "3"))
EPOCHS = int(os.environ.get("PAX_BENCH_EPOCHS", "2"))
# A row of these tweets has 31 tokens in the mean: as many tokens a batch on both sides.
ROWS, TOKENS = 32, 1024
RATE = 3e-4


def main() -> None:
    """Train by turns, compare."""
    bf16 = place().bf16
    print(f"bench-train: {ROUNDS} rounds of {EPOCHS} epochs, {machine()}", flush=True)
    seconds: dict[str, list[float]] = {"pax": [], "trainer": []}
    f1: dict[str, list[float]] = {"pax": [], "trainer": []}
    with tempfile.TemporaryDirectory(prefix="pax-bench-train-") as folder:
        dataset = Path(folder, "dataset")
        [source] = read_sources(Path(evals.__file__).parent / "wnut17.toml")
        summary = tokenize(source.documents(), resolve("minilm"), dataset)
        tokens = summary["counts"]["train"]["tokens"] * EPOCHS
        for number in range(ROUNDS):
            for name, run in (("pax", _pax), ("trainer", _trainer))[:: 1 if number % 2 else -1]:
                took, score = run(dataset, seed=13 + number, bf16=bf16)
                seconds[name].append(took)
                f1[name].append(score)
                print(f"round {number + 1} {name:8} {took:6.1f} s  f1 {score:.3f}", flush=True)
    rate = {name: tokens / statistics.median(times) for name, times in seconds.items()}
    finish(
        "bench-train",
        {
            "pax_tok_s": round(rate["pax"]),
            "trainer_tok_s": round(rate["trainer"]),
            "times": round(rate["pax"] / rate["trainer"], 2),
            "f1_pax": round(statistics.mean(f1["pax"]), 3),
            "f1_trainer": round(statistics.mean(f1["trainer"]), 3),
            "bf16": bf16,
            "rounds": ROUNDS,
        },
        {"times": (">=", 1.5)},
    )


def _pax(dataset: Path, *, seed: int, bf16: bool) -> tuple[float, float]:
    output = dataset.parent / "model"
    command = [sys.executable, "-m", "pax_assets.training.train", "--dataset", str(dataset)]
    command += ["--output", str(output), "--epochs", str(EPOCHS), "--seed", str(seed)]
    command += ["--batch-tokens", str(TOKENS), "--encoder-rate", str(RATE)]
    command += ["--precision", "bf16" if bf16 else "fp32"]
    subprocess.run(command, check=True, capture_output=True)
    epochs = json.loads((output / "metrics.json").read_text())["epochs"]
    return sum(epoch["seconds"] for epoch in epochs), epochs[-1]["dev_f1"]["entity"]


def _trainer(dataset: Path, *, seed: int, bf16: bool) -> tuple[float, float]:
    command = [sys.executable, "-m", "pax_assets_tests.benchmarks.trainer_peer"]
    command += ["--dataset", str(dataset), "--epochs", str(EPOCHS), "--rate", str(RATE)]
    command += ["--rows", str(ROWS), "--seed", str(seed), *(["--bf16"] if bf16 else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result["seconds"], result["f1"]


if __name__ == "__main__":
    main()
