"""Judging the torch model exactly as the service would be judged.

Token accuracy on padded windows says little about spans in messages. The model is run behind
the pipeline and the decoder that serve it, and scored on whole documents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pax_assets.inference.pipeline import INPUTS, OUTPUTS, Forward, Pipeline
from pax_assets.inference.tokenization import TextTokenizer
from pax_assets.nlp import metrics
from pax_assets.nlp.breakdown import breakdown
from pax_assets.nlp.documents import Document
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.model import MessageModel


def torch_pipeline(
    model: MessageModel,
    tokenizer: TextTokenizer,
    scheme: LabelScheme,
    *,
    device: torch.device | None = None,
    bf16: bool = False,
) -> Pipeline:
    """Return the inference pipeline around a torch model (evaluation mode during each call)."""
    return Pipeline(tokenizer, scheme, torch_forward(model, device=device, bf16=bf16))


def torch_forward(
    model: MessageModel, *, device: torch.device | None = None, bf16: bool = False
) -> Forward:
    """Return what a pipeline calls to run the model."""
    where = device or torch.device("cpu")

    def forward(inputs: dict[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        was_training = model.training
        model.eval()
        with torch.inference_mode(), autocast(where, bf16):
            outputs = model(*(torch.from_numpy(inputs[name]).to(where) for name in INPUTS))
        model.train(was_training)
        return {name: out.cpu().numpy() for name, out in zip(OUTPUTS, outputs, strict=True)}

    return forward


def scored_in_detail(pipeline: Pipeline, gold: Sequence[Document]) -> dict[str, Any]:
    """Return what `score` does, with `breakdown` (`nlp.breakdown`) beside it."""
    found = pipeline.analyze([document.text for document in gold])
    return {**metrics.evaluate(gold, found), "breakdown": breakdown(gold, found)}


def autocast(device: torch.device, bf16: bool) -> contextlib.AbstractContextManager[Any]:
    """Return autocast to bf16, or nothing."""
    if not bf16:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def score(pipeline: Pipeline, gold: Sequence[Document]) -> dict[str, Any]:
    """Analyze the texts of gold documents and return `nlp.metrics.evaluate`'s result."""
    return metrics.evaluate(gold, pipeline.analyze([document.text for document in gold]))
