"""What PAX is measured against: token classification as transformers' `run_ner` script does it.

A process of its own: a tokenized dataset in, one line of JSON out. Rows are padded to the longest
of a shuffled batch, as that script's collator does; nothing is tuned against it. `bench-train`
compares its speed, `eval-mailex` its score.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch  # noqa: TID253 - the peer is torch's
from seqeval.metrics import f1_score
from transformers import (  # noqa: TID253
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from pax_assets.corpora.alignment import IGNORED
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.data import LabelledWindow, load_windows
from pax_assets.training.encoder import resolve


def main() -> None:
    """Train, score a split, print `{"seconds", "f1"}`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--layer", choices=("entities", "triggers"), default="entities")
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    given = parser.parse_args()
    labels = getattr(LabelScheme.load(given.dataset), given.layer)
    torch.manual_seed(given.seed)
    model = AutoModelForTokenClassification.from_pretrained(
        resolve(given.encoder), num_labels=len(labels), dtype=torch.float32
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(given.dataset / "tokenizer.json"), pad_token="[PAD]"
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model,
            TrainingArguments(
                folder,
                num_train_epochs=given.epochs,
                learning_rate=given.rate,
                per_device_train_batch_size=given.rows,
                per_device_eval_batch_size=given.rows,
                warmup_steps=0.1,
                weight_decay=0.01,
                bf16=given.bf16,
                use_cpu=not torch.cuda.is_available(),
                seed=given.seed,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                logging_strategy="no",
                dataloader_pin_memory=False,
            ),
            train_dataset=_rows(given.dataset / "train.parquet", given.layer),  # type: ignore[arg-type]
            data_collator=DataCollatorForTokenClassification(tokenizer),
        )
        started = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - started
        judged = _rows(given.dataset / f"{given.split}.parquet", given.layer)
        found = trainer.predict(judged)  # type: ignore[arg-type]
    best = np.asarray(found.predictions).argmax(-1)
    gold = np.asarray(found.label_ids)
    words = [(row != IGNORED) for row in gold]
    f1 = f1_score(
        [[labels[i] for i in row[kept]] for row, kept in zip(gold, words, strict=True)],
        [[labels[i] for i in row[kept]] for row, kept in zip(best, words, strict=True)],
    )
    print(json.dumps({"seconds": seconds, "f1": float(f1)}))


def _rows(path: Path, layer: str) -> list[dict[str, list[int]]]:
    return [
        {
            "input_ids": window.input_ids.tolist(),
            "attention_mask": [1] * len(window),
            "labels": _labels(window, layer).tolist(),
        }
        for window in load_windows(path)
    ]


def _labels(window: LabelledWindow, layer: str) -> np.ndarray:
    return window.entity_labels if layer == "entities" else window.trigger_labels


if __name__ == "__main__":
    main()
