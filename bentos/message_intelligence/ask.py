"""Loads a built Bento the way a server does and puts one request to it, without a port.

A Bento that builds may still not answer: a module left out, a model that does not load. Asking
it before it is deployed finds that out while the former one is still serving. Like `build.py`
it is a program of its own and imports nothing of the project but what the Bento brings.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import bentoml
from starlette.testclient import TestClient


def ask(path: str, texts: list[str]) -> dict[str, Any]:
    """The answer of the Bento in folder `path` to `texts`; `SystemExit` when it is not 200."""
    service = bentoml.load(path, standalone_load=True)
    with TestClient(service.to_asgi(is_main=True)) as client:
        ready = client.get("/readyz")
        if ready.status_code != 200:
            sys.exit(f"the Bento is not ready: {ready.status_code} {ready.text.strip()}")
        answer = client.post("/v1/analyze", json={"messages": [{"text": t} for t in texts]})
        if answer.status_code != 200:
            sys.exit(f"the Bento answered {answer.status_code}: {answer.text}")
        return answer.json()


if __name__ == "__main__":
    request = json.load(sys.stdin)
    sys.stdout.write("\n" + json.dumps(ask(request["path"], request["texts"])) + "\n")
