"""Runs BentoML's build for a folder that `pax_assets.compute.bento` prepared.

BentoML reads `BENTOML_HOME` once, at import, and imports the service to build it. Both would
leak into an orchestrator that stays up, so this file is a program of its own: it reads one JSON
object from standard input and prints one to standard output. It imports nothing of the project,
so that the service it loads is the prepared copy and not the source tree.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import bentoml
from bentoml.exceptions import NotFound


def build(request: dict[str, Any]) -> dict[str, Any]:
    """Register the model and build the Bento; either is left alone where its tag exists.

    `request`: `model_tag`, `model_folder`, `bento_name`, `bento_version`, `source`, `service`,
    `packages`, `labels`, `description`. Returns the Bento's `tag`, `path` and `labels`.
    """
    try:
        bentoml.models.get(request["model_tag"])
    except NotFound:
        with bentoml.models.create(request["model_tag"], labels=request["labels"]) as model:
            shutil.copytree(request["model_folder"], model.path, dirs_exist_ok=True)
    tag = f"{request['bento_name']}:{request['bento_version']}"
    try:
        bento = bentoml.get(tag)
    except NotFound:
        bento = bentoml.build(
            request["service"],
            name=request["bento_name"],
            version=request["bento_version"],
            build_ctx=request["source"],
            include=["**/*.py", "**/*.json"],
            models=[request["model_tag"]],
            labels=request["labels"],
            description=request["description"],
            python={"packages": request["packages"], "lock_packages": False},
        )
    return {
        "tag": str(bento.tag),
        "path": str(Path(bento.path).resolve()),
        "labels": dict(bento.info.labels),
    }


if __name__ == "__main__":
    answer = build(json.load(sys.stdin))
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
