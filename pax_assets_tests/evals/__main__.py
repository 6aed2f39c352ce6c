"""`make eval-<set>`: train on a public corpus, judge on its test part, say the score.

Three seeds where that ends within 40 minutes on two cores, else one; each a training in a process
of its own, by the entry point that production uses. Recipes were chosen on dev. The exit status is
1 where a mean lies under its floor.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pax_assets.corpora.configuration import read_sources
from pax_assets.corpora.tokenize import tokenize
from pax_assets.nlp.documents import Document
from pax_assets.training.encoder import resolve
from pax_assets_tests.benchmarks.report import finish

HERE = Path(__file__).parent
# What the last line calls a score: its place in `nlp.metrics.evaluate`.
_SCORES = {
    "entity_f1": "entity",
    "relation_f1": "relation",
    "relation_boundaries_f1": "relation_boundaries",
    "trigger_f1": "event",
    "trigger_identification_f1": "event_identification",
    "argument_f1": "argument",
}


@dataclass(frozen=True)
class Evaluation:
    """A corpus, the scores that apply to it, their floors (percent), and the recipe."""

    scores: tuple[str, ...]
    floors: Mapping[str, float] = field(default_factory=dict)
    recipe: Mapping[str, str] = field(default_factory=dict)
    seeds: str = "13,14,15"
    # Another evaluation, whose train part trains the model that these trainings begin with.
    first: str = ""
    folds: int = 0
    max_length: int = 256
    stride: int = 32
    # Rows a batch of plain tags by transformers' Trainer, which is trained beside (0: it is not).
    plain_rows: int = 0


EVALUATIONS = {
    "wnut17": Evaluation(
        ("entity_f1",),
        {"entity_f1": 44},
        {"epochs": "5", "encoder-rate": "1.5e-4", "hidden-tokens": "0.15"},
        # Tweets with three types, before tweets and comments with six: the texts differ, the
        # annotators' rules too (WNUT-17 marks no @names), so one after the other and not mixed.
        first="btc",
    ),
    "btc": Evaluation(
        ("entity_f1",),
        {"entity_f1": 75},
        {"epochs": "5", "encoder-rate": "1.5e-4", "hidden-tokens": "0.15"},
    ),
    "conll04": Evaluation(
        ("entity_f1", "relation_f1", "relation_boundaries_f1"),
        {"entity_f1": 84, "relation_f1": 55},
        {"epochs": "20", "hidden-tokens": "0.15"},
    ),
    "casie": Evaluation(
        ("entity_f1", "trigger_f1", "trigger_identification_f1", "argument_f1"),
        {"trigger_f1": 65},
        {"epochs": "6", "hidden-tokens": "0.1"},
        seeds="13",
    ),
    "mailex": Evaluation(
        ("trigger_f1", "trigger_identification_f1"),
        recipe={"epochs": "12", "batch-tokens": "512", "hidden-tokens": "0.15"},
        seeds="13",
        folds=5,
        plain_rows=8,
    ),
}


def main() -> None:
    """Run one evaluation."""
    parser = argparse.ArgumentParser(prog="python -m pax_assets_tests.evals")
    parser.add_argument("set", choices=EVALUATIONS)
    parser.add_argument("--seeds", default=os.environ.get("PAX_EVAL_SEEDS", ""))
    parser.add_argument("--encoder", default=os.environ.get("PAX_EVAL_ENCODER", "minilm"))
    parser.add_argument(
        "--alone",
        action="store_true",
        default=bool(os.environ.get("PAX_EVAL_ALONE")),
        help="begin with the encoder, also where another corpus would come first",
    )
    given = parser.parse_args()
    chosen = EVALUATIONS[given.set]
    if given.alone:
        chosen = replace(chosen, first="")
    started = time.monotonic()
    documents = _documents(given.set)
    seeds = [int(seed) for seed in (given.seeds or chosen.seeds).split(",")]
    runs = [(seed, fold) for seed in seeds for fold in range(max(1, chosen.folds))]
    plain = ("plain_trigger_f1",) if chosen.plain_rows else ()
    found: dict[str, list[float]] = {name: [] for name in (*chosen.scores, *plain)}
    with tempfile.TemporaryDirectory(prefix="pax-eval-") as folder:
        encoder = given.encoder
        if chosen.first:
            print(f"eval-{given.set}: first {chosen.first}, seed {seeds[0]}", flush=True)
            before = EVALUATIONS[chosen.first]
            encoder = f"{folder}/first/model"
            _train(before, given.encoder, seeds[0], _documents(chosen.first), Path(folder, "first"))
        for number, (seed, fold) in enumerate(runs, 1):
            print(f"eval-{given.set}: training {number} of {len(runs)}, seed {seed}", flush=True)
            room = Path(folder, f"{seed}-{fold}")
            part = list(_split(documents, chosen, fold))
            result = _train(chosen, encoder, seed, part, room)
            for name in chosen.scores:
                found[name].append(100 * result["test"][_SCORES[name]]["f1"])
            for name in plain:
                found[name].append(100 * _plain(chosen, encoder, seed, room, result))
            scored = " ".join(f"{name}={scores[-1]:.1f}" for name, scores in found.items())
            print(scored, flush=True)
    means = {name: statistics.mean(scores) for name, scores in found.items()}
    deviations = {
        f"{name}_sd": statistics.stdev(scores) for name, scores in found.items() if len(scores) > 1
    }
    finish(
        f"eval-{given.set}",
        {
            **{name: round(value, 1) for name, value in (means | deviations).items()},
            "seconds": round(time.monotonic() - started),
            "runs": len(runs),
            "encoder": given.encoder,
        },
        {name: (">=", floor) for name, floor in chosen.floors.items()},
    )


def _documents(name: str) -> list[Document]:
    return [d for source in read_sources(HERE / f"{name}.toml") for d in source.documents()]


def _split(documents: list[Document], chosen: Evaluation, fold: int) -> Iterator[Document]:
    """Yield the documents with their splits: their own, or those of a fold."""
    for document in documents:
        if not chosen.folds:
            yield document
            continue
        digest = hashlib.sha256((document.group or document.doc_id).encode()).digest()
        place = (digest[0] * 256 + digest[1]) % chosen.folds
        dev = (fold + 1) % chosen.folds
        split = "test" if place == fold else "dev" if place == dev else "train"
        yield replace(document, split=split)


def _train(
    chosen: Evaluation, encoder: str, seed: int, documents: list[Document], room: Path
) -> dict[str, Any]:
    """Train and judge in a process of its own, `room`/dataset to `room`/model: metrics.json."""
    dataset, output = room / "dataset", room / "model"
    size = {"max_length": chosen.max_length, "stride": chosen.stride}
    tokenize(documents, resolve(encoder), dataset, **size)
    command = [
        *(sys.executable, "-m", "pax_assets.training.train"),
        *("--dataset", str(dataset), "--output", str(output)),
        *("--encoder", encoder, "--seed", str(seed)),
    ]
    for name, value in chosen.recipe.items():
        command += [f"--{name}", value]
    subprocess.run(command, check=True)
    return json.loads((output / "metrics.json").read_text())


def _plain(
    chosen: Evaluation, encoder: str, seed: int, room: Path, metrics: Mapping[str, Any]
) -> float:
    """Return the trigger F1 (0 to 1) of plain tags after as many epochs."""
    command = [
        *(sys.executable, "-m", "pax_assets_tests.benchmarks.trainer_peer"),
        *("--dataset", str(room / "dataset"), "--encoder", encoder, "--seed", str(seed)),
        *("--epochs", str(metrics["recipe"]["epochs"]), "--rate", "3e-4"),
        *("--rows", str(chosen.plain_rows), "--layer", "triggers", "--split", "test"),
        *(["--bf16"] if metrics["precision"] == "bf16" else []),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])["f1"]


if __name__ == "__main__":
    main()
