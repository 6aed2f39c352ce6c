"""The entry point of training, for torchrun: a tokenized dataset in, a model artifact out.

It runs in a process of its own, so that Dagster never loads torch and a crash here takes
nothing with it. Parameters come as arguments, alike on every rank; rank 0 alone speaks to
Dagster, evaluates and writes. A run that was killed goes on when the same command is given again.

    python -m torch.distributed.run --standalone --nproc_per_node=2 \\
        -m pax_assets.training.train --dataset DIR --output DIR --encoder minilm
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from pax_assets.corpora.formats import jsonl
from pax_assets.inference.tokenization import TextTokenizer, TokenizerError
from pax_assets.nlp import metrics
from pax_assets.nlp.documents import Document
from pax_assets.nlp.labels import LabelScheme, LabelSchemeError
from pax_assets.training import artifact, calibration
from pax_assets.training.artifact import ModelArtifactError
from pax_assets.training.checkpoint import CheckpointError, fingerprint
from pax_assets.training.data import DatasetError, LabelledWindow, load_windows
from pax_assets.training.device import Place, place
from pax_assets.training.encoder import EncoderError, resolve
from pax_assets.training.evaluation import score, scored_in_detail, torch_forward, torch_pipeline
from pax_assets.training.keeper import Keeper, Pace, restore_random_state, shared_number
from pax_assets.training.loop import DivergedError, EpochLoss, Trainer
from pax_assets.training.model import HeadsConfig, flops_per_token
from pax_assets.training.recipe import Recipe
from pax_assets.training.record import Record
from pax_assets.training.reporting import Reporter, reporter

# What is wrong with what was given, in a sentence that needs no traceback.
_SAID = (
    *(DatasetError, DivergedError, EncoderError, LabelSchemeError, ModelArtifactError),
    *(TokenizerError, FileNotFoundError),
)
_EVALUATION_AT_MOST = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where checkpoints lie, how many steps apart (0: by time), and whether to go on from one."""

    folder: Path
    steps: int = 0
    resume: bool = True


def parser() -> argparse.ArgumentParser:
    """Return the command line; every field of `Recipe` has its option."""
    described = argparse.ArgumentParser(prog="python -m pax_assets.training.train")
    described.add_argument("--dataset", type=Path, required=True, help="a tokenized_dataset")
    described.add_argument("--output", type=Path, required=True, help="folder of the artifact")
    described.add_argument(
        "--encoder", default="minilm", help="minilm, a folder, a hub id, or a model of PAX"
    )
    described.add_argument("--encoder-name", help="what lineage shall call it (ENCODER)")
    described.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    described.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        help="torch.compile of the encoder; auto: on GPUs",
    )
    described.add_argument("--lineage", type=Path, help="JSON that lineage.json shall contain")
    described.add_argument(
        "--checkpoint", type=Path, help="folder of the run's checkpoints (OUTPUT.checkpoint)"
    )
    described.add_argument(
        "--checkpoint-steps",
        type=int,
        default=0,
        help="steps between checkpoints; 0: as often as takes less than 2 %% of the time",
    )
    described.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the checkpoint that a killed run left, if it is of this very run",
    )
    for field in fields(Recipe):
        option = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            described.add_argument(
                option, action=argparse.BooleanOptionalAction, default=field.default
            )
        else:
            described.add_argument(
                option, type=type(field.default), default=field.default, help="(%(default)s)"
            )
    return described


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    described = parser()
    options = described.parse_args(arguments)
    try:
        recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    except ValueError as error:
        described.error(str(error))
    where = place(options.precision, compilation=options.compile)
    if where.world > 1:
        # The others wait while rank 0 evaluates; NCCL would give up after 10 minutes.
        torch.distributed.init_process_group(where.backend, timeout=_EVALUATION_AT_MOST)
    try:
        with reporter(active=where.rank == 0) as report:
            given = json.loads(options.lineage.read_text()) if options.lineage else {}
            lineage = {**given, **report.extras.get("lineage", {})}
            output = options.output
            keeping = Keeping(
                options.checkpoint or output.with_name(f"{output.name}.checkpoint"),
                options.checkpoint_steps,
                options.resume,
            )
            if options.encoder_name:
                lineage["encoder"] = options.encoder_name
            train(options.dataset, output, options.encoder, recipe, where, report, lineage, keeping)
    finally:
        if where.world > 1:
            torch.distributed.destroy_process_group()


def train(
    dataset: Path,
    output: Path,
    encoder: str,
    recipe: Recipe,
    where: Place,
    report: Reporter,
    lineage: dict[str, Any],
    keeping: Keeping,
) -> dict[str, Any] | None:
    """Train, keep the epoch with the best mean dev F1, write the artifact.

    Returns the content of metrics.json on rank 0, None on the others.
    """
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    scheme = LabelScheme.load(dataset)
    windows = load_windows(dataset / "train.parquet")
    if not windows:
        raise DatasetError(f"{dataset}/train.parquet has no rows: nothing to learn from")
    tokenizer = TextTokenizer.load(dataset)
    encoder_folder = resolve(encoder)
    heads = HeadsConfig(dropout=recipe.head_dropout)
    model = artifact.build(encoder_folder, scheme, heads, where.attention)
    trainer = Trainer(model, windows, recipe, where, tokenizer.pad, tokenizer.mask)
    report.line(
        f"training on {where.world} x {where.device.type} "
        f"({torch.get_num_threads()} threads, {'bf16' if where.bf16 else 'fp32'}): "
        f"{len(windows)} windows, {recipe.epochs} epochs"
    )
    # dropout must differ between processes, weights must not
    torch.manual_seed(recipe.seed + 1000 * where.rank)
    judge = _Judge(dataset, trainer, tokenizer, scheme, where) if where.rank == 0 else None
    record = Record()
    keeper = Keeper(
        keeping.folder,
        fingerprint(dataset, encoder_folder, recipe.to_dict(), where) if judge else {},
        where,
        report,
        Pace(keeping.steps, where),
    )
    if keeping.resume:
        _go_on(keeper, trainer, record, where, report, recipe.epochs)

    def keep(*, ended: bool = False) -> None:
        keeper.after_step(trainer.step, lambda: record.state(trainer), ended=ended)

    loaded = time.monotonic()
    while trainer.epoch < recipe.epochs:
        # Rank 0 alone has scores; all must stop together.
        if shared_number(record.out_of_patience(recipe.patience), where):
            report.line(f"no better epoch in {recipe.patience}: stopping")
            break
        loss = trainer.run_epoch(keep)
        if judge is not None:
            entry = {"epoch": trainer.epoch, **judge.epoch(loss)}
            report.send("epoch", epochs=recipe.epochs, **entry)
            report.line(_line(entry, recipe.epochs))
            record.add(entry, model)
        keep(ended=True)
    if judge is None:
        return None
    trained = time.monotonic()
    # Without the frozen tensors, which are in the model.
    model.load_state_dict(record.best, strict=False)
    shifts = judge.calibrate()
    result = {
        "calibration": shifts,
        "best_epoch": record.best_epoch,
        "epochs": record.history,
        **{split: judge.final(split) for split in ("dev", "test")},
        "recipe": recipe.to_dict(),
        "encoder": lineage.get("encoder", encoder),
        "precision": "bf16" if where.bf16 else "fp32",
        "seconds": {
            "load": loaded - started,
            "train": trained - loaded,
            "evaluate": time.monotonic() - trained,
        },
    }
    provenance = {
        "encoder": encoder,
        **lineage,
        "seed": recipe.seed,
        "device": where.device.type,
        "processes": where.world,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "f1": {split: metrics.judged_f1(result[split]) for split in ("dev", "test")},
    }
    artifact.save(output, model, scheme, dataset, result, provenance, encoder_folder)
    keeper.remove()
    report.send("result", output=str(output), best_epoch=result["best_epoch"], f1=provenance["f1"])
    for split, f1 in provenance["f1"].items():
        report.line(f"{split}: " + " ".join(f"{k}_f1={v:.3f}" for k, v in f1.items()))
    return result


def _go_on(
    keeper: Keeper,
    trainer: Trainer,
    record: Record,
    where: Place,
    report: Reporter,
    epochs: int,
) -> None:
    """Go on from the checkpoint, if there is one that fits."""
    state = keeper.load()
    if state is None:
        return
    try:
        trainer.restore(state)
    except CheckpointError as error:
        keeper.refuse(error)
        return
    record.restore(state)
    restore_random_state(state.tensors, where)
    at = state.position
    report.line(f"resuming after {at.epoch} epochs and {at.batches} batches (step {trainer.step})")
    # Whoever listens now may not have heard them, or not all.
    for entry in record.history:
        report.send("epoch", epochs=epochs, **entry)


class _Judge:
    """Scores the model on dev after each epoch and on dev and test at the end."""

    def __init__(
        self,
        dataset: Path,
        trainer: Trainer,
        tokenizer: TextTokenizer,
        scheme: LabelScheme,
        where: Place,
    ) -> None:
        self._trainer = trainer
        self._tokenizer = tokenizer
        self._scheme = scheme
        self._where = where
        self._windows: list[LabelledWindow] = load_windows(dataset / "dev.parquet")
        self._gold: dict[str, list[Document]] = {
            split: list(jsonl.read(dataset / f"{split}_gold.jsonl")) for split in ("dev", "test")
        }
        self._training = torch_pipeline(
            trainer.model, tokenizer, scheme, device=where.device, bf16=where.bf16
        )
        self._exact = torch_pipeline(trainer.model, tokenizer, scheme, device=where.device)

    def epoch(self, loss: EpochLoss) -> dict[str, Any]:
        """Return what an epoch's record says."""
        started = time.monotonic()
        dev_loss = self._trainer.loss(self._windows)
        result = score(self._training, self._gold["dev"])
        f1 = metrics.judged_f1(result)
        return {
            "train_loss": loss.total,
            "train_losses": loss.heads,
            "dev_loss": dev_loss.total,
            # Of heads that dev has no examples for there is nothing to say.
            "dev_f1": f1,
            "dev_mean_f1": float(np.mean(list(f1.values()))) if f1 else 0.0,
            "seconds": loss.seconds,
            "dev_seconds": time.monotonic() - started,
            "tokens_per_second": loss.tokens / max(loss.seconds, 1e-9),
            **self._utilisation(loss),
        }

    def _utilisation(self, loss: EpochLoss) -> dict[str, float]:
        """The share of the devices' bf16 peak that training used, where that peak is known."""
        if not self._where.peak:
            return {}
        done = loss.tokens * self._where.world * flops_per_token(self._trainer.model)
        return {"flop_utilisation": done / max(loss.seconds, 1e-9) / self._where.peak}

    def calibrate(self) -> dict[str, float]:
        """Shift the scores of "none" to what is best on dev; return by how much, by head."""
        forward = torch_forward(self._trainer.model, device=self._where.device)
        found = calibration.shifts(forward, self._tokenizer, self._scheme, self._gold["dev"])
        calibration.apply(self._trainer.model, found)
        return found

    def final(self, split: str) -> dict[str, Any]:
        """Score a split in full precision, as the exported model will run."""
        return scored_in_detail(self._exact, self._gold[split])


def _line(entry: dict[str, Any], epochs: int) -> str:
    f1 = " ".join(f"{head}_f1={value:.3f}" for head, value in entry["dev_f1"].items())
    return (
        f"epoch {entry['epoch']}/{epochs} loss={entry['train_loss']:.3f} "
        f"dev loss={entry['dev_loss']:.3f} {f1} "
        f"{entry['seconds'] + entry['dev_seconds']:.1f} s"
    )


if __name__ == "__main__":
    try:
        main()
    except _SAID as said:
        sys.exit(f"{type(said).__name__}: {said}")
