"""Scores an exported model on gold documents, in a process of its own.

When labels changed, the model that is served must be measured on the new dev set before a new
one is compared with it. It runs by the same runtime that serves, so the number is the served one.

    python -m pax_assets.inference.evaluate --model DIR --variant fp32 --gold FILE --output FILE
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.runtime import Runtime
from pax_assets.inference.session import OtherGraphError
from pax_assets.nlp import metrics

# The key under which the output says why there are no scores.
UNUSABLE = "unusable"


def evaluate(model: Path, variant: str, gold: Path) -> dict[str, float]:
    """Return strict F1 (0 to 1) by head: entity, event, argument, relation."""
    documents = list(jsonl.read(gold))
    found = Runtime.load(model, variant).analyze([document.text for document in documents])
    return metrics.head_f1(metrics.evaluate(documents, found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the scores as JSON."""
    parser = argparse.ArgumentParser(prog="python -m pax_assets.inference.evaluate")
    parser.add_argument("--model", type=Path, required=True, help="an onnx_model artifact")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--gold", type=Path, required=True, help="JSON Lines of documents")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    # Dagster warns of a process that it started and never hears of.
    started_by_dagster = DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ
    with open_dagster_pipes() if started_by_dagster else contextlib.nullcontext():
        try:
            scores: dict[str, float | str] = {**evaluate(given.model, given.variant, given.gold)}
        except OtherGraphError as error:
            # Not a failure: after an upgrade the former model cannot be measured any more.
            scores = {UNUSABLE: str(error)}
    given.output.write_text(json.dumps(scores))


if __name__ == "__main__":
    main()
