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
from collections.abc import Callable
from dataclasses import replace
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

    Where `encoder` is a model artifact, training goes on from it: what it knows of words is taken
    over, and so is each head whose labels are the same. `attention` is an implementation of
    transformers; `load` always opens with "eager", since exported graphs with SDPA were seen to
    specialise on a length.

    Raises `EncoderError` where the encoder cannot take the dataset's windows, and
    `ModelArtifactError` for an artifact of another version.
    """
    logging.disable_progress_bar()
    former = _opened(encoder, attention) if is_artifact(encoder) else None
    model = former[0].encoder if former else _pretrained(encoder, attention)
    config = model.config
    if config.is_encoder_decoder or not hasattr(config, "hidden_size"):
        raise EncoderError(f"{encoder}: {config.model_type} is not an encoder with token states")
    positions = getattr(config, "max_position_embeddings", None)
    if positions and positions < scheme.max_length:
        raise EncoderError(
            f"{encoder} takes {positions} tokens, the dataset's windows have up to "
            f"{scheme.max_length}: tokenize with a smaller max_length"
        )
    built = MessageModel(_without_pooler(model), scheme, heads or HeadsConfig())
    if former:
        _take_over(built, scheme, *former)
    return built


def is_artifact(folder: Path) -> bool:
    """Say whether a folder holds a model of PAX, of whichever version."""
    try:
        return "architecture" in json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _pretrained(encoder: Path, attention: str) -> Any:
    options = {"dtype": torch.float32, "local_files_only": True}
    return _attending(attention, lambda how: AutoModel.from_pretrained(encoder, **options, **how))


def _attending(attention: str, make: Callable[[dict[str, str]], Any]) -> Any:
    try:
        return make({"attn_implementation": attention})
    except ValueError:
        # DeBERTa, for one, has no other attention than its own.
        return make({"attn_implementation": "eager"})


def _take_over(
    model: MessageModel, scheme: LabelScheme, former: MessageModel, known: LabelScheme
) -> None:
    """Copy the former model's word shapes, and its heads that mean the same in both schemes.

    A pair head sees what its ends seem to be, so the labels of these have to be the same, too.
    """
    model.shapes.load_state_dict(former.shapes.state_dict())
    if replace(model.heads_config, dropout=former.heads_config.dropout) != former.heads_config:
        return
    entities, triggers = scheme.entities == known.entities, scheme.triggers == known.triggers
    for name, same in (
        ("entity_head", entities),
        ("trigger_head", triggers),
        ("relation_head", entities and scheme.relations == known.relations),
        ("argument_head", entities and triggers and scheme.roles == known.roles),
    ):
        if same:
            getattr(model, name).load_state_dict(getattr(former, name).state_dict())


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
    encoder_folder: Path | None = None,
) -> Path:
    """Write the artifact to `folder`, replacing a former one at once.

    If `encoder_folder`, where training began, is an artifact itself, its card goes with this one:
    the data and the licences of the former model are also those of the new one.
    """
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
        before = _cards(encoder_folder) if encoder_folder and is_artifact(encoder_folder) else ""
        card = model_card.model_card(scheme, dataset, metrics, lineage, goes_on=bool(before))
        (draft / model_card.FILE).write_text(card, encoding="utf-8")
        if before:
            (draft / model_card.BEFORE).write_text(before, encoding="utf-8")
        write_json(draft / "lineage.json", lineage)
        publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _cards(folder: Path) -> str:
    """Return the card of an artifact, and those of the models before it."""
    files = [folder / name for name in (model_card.FILE, model_card.BEFORE)]
    cards = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return "\n".join(cards) or f"The model in {folder.name} had no card.\n"


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
    model, scheme = _opened(folder, "eager")
    return model.eval(), scheme


def _opened(folder: Path, attention: str) -> tuple[MessageModel, LabelScheme]:
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
    shape = AutoConfig.for_model(kind, **encoder_config)
    encoder = _attending(attention, lambda how: AutoModel.from_config(shape, **how))
    model = MessageModel(_without_pooler(encoder), scheme, HeadsConfig(**config["heads"]))
    model = model.float()
    model.load_state_dict(load_file(folder / WEIGHTS))
    return model, scheme
