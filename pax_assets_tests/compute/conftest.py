"""Two real Bentos of one tiny model, built once for all tests that serve."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pax_assets.compute.bento import BuiltBento, build_bento
from pax_assets.compute.local_service import LocalService
from pax_assets_tests.bentos.lookup_model import write_lookup_artifact


@dataclass(frozen=True)
class Bentos:
    """A lake's folder of Bentos: the artifact that they serve, and two versions of it."""

    lake: Path
    artifact: Path
    first: BuiltBento
    second: BuiltBento


@pytest.fixture(scope="session")
def bentos(tmp_path_factory: pytest.TempPathFactory) -> Bentos:
    folder = tmp_path_factory.mktemp("bentos")
    artifact = write_lookup_artifact(folder / "onnx", ("fp32", "int8"))
    lake = folder / "lake"
    home = lake / "message_intelligence_bento"
    second = build_bento(artifact, "int8", {"model_version": "model-two"}, home)
    first = build_bento(
        artifact,
        "fp32",
        {
            "model_version": "model-one",
            "dagster_run_id": "a/b",
            "data_versions": {"annotations": "d" * 70},
            "metrics": {"entity_f1": 0.91},
        },
        home,
    )
    return Bentos(lake, artifact, first, second)


@pytest.fixture
def port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def service(tmp_path: Path, port: int) -> Iterator[LocalService]:
    """The service of an empty lake; what it started is stopped."""
    service = LocalService(str(tmp_path / "served"), port)
    yield service
    service.stop()
