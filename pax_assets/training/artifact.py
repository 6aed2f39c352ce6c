"""The model artifact: a folder that says everything about a model, without pickle.

A checkpoint that needs the training code's arguments to be opened again is lost with them. The
folder holds weights (safetensors), the encoder's and the heads' configuration, tokenizer,
labels, metrics and lineage; it appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from pax_assets.corpora.tokenize import DATASET_FILE
from pax_assets.inference import tokenization
from pax_assets.nlp.labels import LabelScheme
from pax_assets.training import model_card
from pax_assets.training.encoder import WEIGHTS, EncoderError
from pax_assets.training.model import HeadsConfig, MessageModel

CONFIG = "config.json"
ARCHITECTURE = "pax-message-model-2"


class ModelArtifactError(ValueError):
    """A folder that is no model artifact of this version; the message says why."""


def build(
    encoder: Path,
    scheme: LabelScheme,
    heads: HeadsConfig | None = None,
    attention: str = "eager",
) -> MessageModel:
    """Return a model with the encoder's pretrained weights and fresh heads.

    `attention` is an implementation of transformers; `load` always opens with "eager", since
    exported graphs with SDPA were seen to specialise on a length.

    Raises `EncoderError` where the encoder cannot take the dataset's windows.
    """
    logging.disable_progress_bar()
    try:
        model = _pretrained(encoder, attention)
    except ValueError:
        # DeBERTa, for one, has no other attention than its own.
        model = _pretrained(encoder, "eager")
    config = model.config
    if config.is_encoder_decoder or not hasattr(config, "hidden_size"):
        raise EncoderError(f"{encoder}: {config.model_type} is not an encoder with token states")
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions < scheme.max_length:
        raise EncoderError(
            f"{encoder} takes {positions} tokens, the dataset's windows have up to "
            f"{scheme.max_length}: tokenize with a smaller max_length"
        )
    return MessageModel(_without_pooler(model), scheme, heads or HeadsConfig())


def _pretrained(encoder: Path, attention: str) -> Any:
    return AutoModel.from_pretrained(
        encoder, attn_implementation=attention, dtype=torch.float32, local_files_only=True
    )


def _without_pooler(model: torch.nn.Module) -> torch.nn.Module:
    """Drop the sentence pooler, which no head uses: unused weights break DDP and export."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def save(
    folder: Path,
    model: MessageModel,
    scheme: LabelScheme,
    dataset_folder: Path,
    metrics: dict[str, Any],
    lineage: dict[str, Any],
) -> Path:
    """Write the artifact to `folder`, replacing a former one at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        tensors = {name: value.cpu().clone() for name, value in model.state_dict().items()}
        save_file(tensors, draft / WEIGHTS, metadata={"format": "pt"})
        encoder = model.encoder.config.to_dict()
        # Where the encoder lay on this machine would make the same model another one elsewhere.
        encoder.pop("_name_or_path", None)
        config = {
            "architecture": ARCHITECTURE,
            "encoder": encoder,
            "heads": model.heads_config.to_dict(),
        }
        write_json(draft / CONFIG, config)
        scheme.save(draft)
        shutil.copyfile(dataset_folder / tokenization.FILE, draft / tokenization.FILE)
        write_json(draft / "metrics.json", metrics)
        dataset = json.loads((dataset_folder / DATASET_FILE).read_text(encoding="utf-8"))
        card = model_card.model_card(scheme, dataset, metrics, lineage)
        (draft / model_card.FILE).write_text(card, encoding="utf-8")
        write_json(draft / "lineage.json", lineage)
        publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def publish(draft: Path, folder: Path) -> None:
    """Move a finished folder to its place; a former one is moved away first, then deleted."""
    former = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.former"
    if folder.exists():
        os.replace(folder, former)  # noqa: PTH105 - the one call that is atomic everywhere
    os.replace(draft, folder)  # noqa: PTH105
    shutil.rmtree(former, ignore_errors=True)


def write_json(path: Path, data: Any) -> None:
    """Write readable JSON in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, indent=2, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[MessageModel, LabelScheme]:
    """Open an artifact, in evaluation mode, on the CPU. Raises `ModelArtifactError`."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        architecture = config["architecture"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelArtifactError(f"{folder} is no model artifact: {error!r}") from error
    if architecture != ARCHITECTURE:
        raise ModelArtifactError(
            f"{folder} holds a {architecture!r}, this version reads {ARCHITECTURE!r}: train anew"
        )
    scheme = LabelScheme.load(folder)
    encoder_config = dict(config["encoder"])
    kind = encoder_config.pop("model_type")
    encoder = AutoModel.from_config(
        AutoConfig.for_model(kind, **encoder_config), attn_implementation="eager"
    )
    model = MessageModel(_without_pooler(encoder), scheme, HeadsConfig(**config["heads"]))
    model = model.float()
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model.eval(), scheme
