"""Packages a released model with the service's code as a Bento, named after its content.

A Bento built on every run would be a new version of the same thing, and everything below it
would be deployed again for nothing. Here the version is a hash of what goes in (the model's
files, the code, the pinned packages), so building the same again finds the Bento that is there.

BentoML is imported only by the programs that this module starts: it fixes its home directory at
import and takes seconds to load, neither of which an orchestrator should carry.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pax_assets.lake.artifacts import directory_hash

BENTO_NAME = "message_intelligence"
MODEL_NAME = "message_intelligence_model"
SERVICE = "bentos.message_intelligence.service:MessageIntelligence"
# What an image installs: nothing that trains or orchestrates.
PACKAGES = (
    "bentoml",
    "numpy",
    "onnxruntime",
    "phonenumbers",
    "pydantic",
    "python-stdnum",
    "tokenizers",
)
# What a variant, or what runs it, needs besides.
ENGINES = {"bf16": ("openvino",), "openvino": ("openvino",)}
# A package of the same modules for other machines, which takes the place of the first.
STAND_INS = {"onnxruntime": "onnxruntime-gpu"}
# The rooms that the service imports, and the programs beside it that are no part of it.
ROOMS = ("bentos/message_intelligence", "pax_assets/nlp", "pax_assets/inference")

PROGRAMS = ("ask.py", "build.py", "serve.py")
_RECORDS = frozenset({"lineage.json", "metrics.json", "report.json"})
_PROJECT = Path(__file__).resolve().parents[2]
_BUILD_SECONDS = 180
_LABEL_CHARACTERS = 63
_TAIL_LINES = 30


class BentoError(RuntimeError):
    """A Bento that could not be built or asked; the message carries what BentoML printed."""


@dataclass(frozen=True, slots=True)
class BuiltBento:
    """A Bento in its store: `path` is its folder, `home` the `BENTOML_HOME` that holds it.

    `version` identifies the content: equal content, equal version.
    """

    tag: str
    version: str
    path: str
    home: str
    model_version: str
    variant: str
    labels: dict[str, str]
    size_bytes: int


def build_bento(
    onnx_dir: Path,
    variant: str,
    lineage: Mapping[str, Any],
    bentoml_home: Path,
    *,
    region: str = "US",
    provider: str = "cpu",
) -> BuiltBento:
    """Build the Bento that serves `<onnx_dir>/<variant>/model.onnx`, or find it already built.

    `lineage` is what `/v1/lineage` answers and must hold `model_version`; its scalars become
    labels. It is no part of the version: where the same content was built before, that Bento
    keeps the lineage of its first build. The Bento becomes the current one of `bentoml_home`.
    `region` is that of phone numbers without a country code, `provider` what is to run the model.
    Takes about 4 s, and no network. Raises `BentoError`.
    """
    model_version = str(lineage.get("model_version") or "")
    if not model_version:
        raise BentoError("the lineage names no model_version: released_model should set it")
    if not (onnx_dir / variant / "model.onnx").is_file():
        raise BentoError(
            f"{onnx_dir} holds no {variant}/model.onnx: materialize onnx_model, or release a "
            "variant that it has"
        )
    home = bentoml_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    packages = _packages(variant, provider)
    labels = labels_of({**lineage, "variant": variant})
    with tempfile.TemporaryDirectory(prefix=".build-", dir=home) as work:
        model = _copy_model(onnx_dir, variant, Path(work) / "model")
        source = _copy_source(Path(work) / "source")
        model_hash = directory_hash(model)[:16]
        code_hash = directory_hash(source)
        identity = [model_version, variant, region, model_hash, code_hash, *packages]
        bento_version = (
            f"{_tag_part(model_version)}-{sha256(json.dumps(identity).encode()).hexdigest()[:12]}"
        )
        model_tag = f"{MODEL_NAME}:{model_hash}"
        release = {
            "bento": f"{BENTO_NAME}:{bento_version}",
            "model_tag": model_tag,
            "model_version": model_version,
            "variant": variant,
            "region": region,
            "lineage": dict(lineage),
        }
        (source / "bentos/message_intelligence/release.json").write_text(
            json.dumps(release, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        answer = _bentoml_program(
            [sys.executable, "-P", str(_PROJECT / "bentos/message_intelligence/build.py")],
            home,
            {
                "model_tag": model_tag,
                "model_folder": str(model),
                "bento_name": BENTO_NAME,
                "bento_version": bento_version,
                "source": str(source),
                "service": SERVICE,
                "packages": packages,
                "labels": labels,
                "description": f"Message intelligence, model {model_version} ({variant}).",
            },
        )
    built = BuiltBento(
        tag=answer["tag"],
        version=bento_version,
        path=answer["path"],
        home=str(home),
        model_version=model_version,
        variant=variant,
        labels=answer["labels"],
        size_bytes=sum(
            file.stat().st_size
            for folder in (Path(answer["path"]), home / "models" / model_tag.replace(":", "/"))
            for file in folder.rglob("*")
            if file.is_file()
        ),
    )
    write_atomically(home / "current.json", json.dumps(asdict(built), indent=1))
    return built


def current_bento(bentoml_home: Path) -> BuiltBento | None:
    """The Bento built last in `bentoml_home`; None when there is none."""
    try:
        built = BuiltBento(**json.loads((bentoml_home / "current.json").read_text("utf-8")))
    except FileNotFoundError:
        return None
    return built if Path(built.path).is_dir() else None


def ask_bento(built: BuiltBento, texts: Sequence[str]) -> dict[str, Any]:
    """What the Bento answers to `texts` on `POST /v1/analyze`, without a port.

    Loads the Bento as a server would, in a process of its own (about 3 s): the golden request
    before anything is deployed. Raises `BentoError` when it does not answer with 200.
    """
    return _bentoml_program(
        [sys.executable, "-P", str(_PROJECT / "bentos/message_intelligence/ask.py")],
        Path(built.home),
        {"path": built.path, "texts": list(texts)},
    )


def bentoml_environment(home: Path) -> dict[str, str]:
    """The environment for a process that imports BentoML: its home, no telemetry."""
    return {
        **os.environ,
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONUNBUFFERED": "1",
    }


def labels_of(lineage: Mapping[str, Any]) -> dict[str, str]:
    """The scalars of `lineage` (nested names joined by `.`) as labels that Kubernetes accepts.

    Letters, digits, `-`, `_`, `.`; at most 63 characters; what does not fit is replaced or cut,
    and what is empty is left out.
    """
    labels = {}
    for name, value in _scalars(lineage):
        key, text = _label_part(name), _label_part(str(value))
        if key and text:
            labels[key] = text
    return labels


def _scalars(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float):
            yield f"{prefix}{name}", value


def _label_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:_LABEL_CHARACTERS].strip("-_.")


def _tag_part(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]", "-", text.lower())[:16].strip("-_.") or "model"


def _packages(variant: str, provider: str) -> list[str]:
    """Return what a Bento installs, each pinned to the version that is installed here."""
    engines = {*ENGINES.get(variant, ()), *ENGINES.get(provider, ())}
    return [_pinned(name) for name in (*PACKAGES, *sorted(engines))]


def _pinned(name: str) -> str:
    """Return `name==version` of the package that is installed; raises `BentoError`."""
    for package in filter(None, (name, STAND_INS.get(name))):
        try:
            return f"{package}=={version(package)}"
        except PackageNotFoundError:
            continue
    raise BentoError(
        f"{name} is not installed here, so the Bento cannot name its version: "
        f"pip install {name}, or release another variant"
    )


def _copy_model(onnx_dir: Path, variant: str, target: Path) -> Path:
    """Copy what the runtime needs of `onnx_dir`: its own files and the one variant served.

    Records of how the model came about stay behind: they differ between equal models, and the
    lineage has its own place in the Bento.
    """
    target.mkdir()
    for file in onnx_dir.iterdir():
        if file.is_file() and file.name not in _RECORDS:
            shutil.copy2(file, target)
    shutil.copytree(onnx_dir / variant, target / variant)
    return target


def _copy_source(target: Path) -> Path:
    """Copy the rooms that the service imports, each inside real packages.

    A package without `__init__.py` would lose to an installed one of the same name.
    """
    ignored = shutil.ignore_patterns("__pycache__", "release.json", *PROGRAMS)
    for room in ROOMS:
        shutil.copytree(_PROJECT / room, target / room, ignore=ignored)
        for package in (target / room, *(target / room).parents):
            if package == target:
                break
            if not (package / "__init__.py").exists():
                original = _PROJECT / package.relative_to(target) / "__init__.py"
                text = original.read_text("utf-8") if original.exists() else ""
                (package / "__init__.py").write_text(text, encoding="utf-8")
    return target


def _bentoml_program(command: Sequence[str], home: Path, request: Mapping[str, Any]) -> Any:
    """Run a program that reads JSON and prints JSON as its last line; return what it printed."""
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=bentoml_environment(home),
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BentoError(f"{command[-1]} did not end within {_BUILD_SECONDS} s") from None
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:])
        raise BentoError(f"{command[-1]} ended with exit code {done.returncode}:\n{tail}")
    return json.loads(done.stdout.rstrip().splitlines()[-1])


def write_atomically(file: Path, text: str) -> None:
    """Write `file` so that a reader sees the former text or this one, never half of it."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
