"""Fixtures that every room's tests share, and the rule for what a bare machine may skip.

A test that needs containers, a JVM or a browser is skipped with a reason where those are
absent; `PAX_REQUIRE=containers,jvm,browser` turns such a skip into a failure, so that CI
cannot pass by lacking what it should have.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pax_assets_tests.s3_server import bucket, s3_server  # noqa: F401 - fixtures

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"

os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")


def _missing() -> dict[str, str]:
    """For each marker, why its tests cannot run on this machine (absent where they can)."""
    missing = {}
    if not shutil.which("podman"):
        missing["containers"] = "podman is not installed (make system installs it)"
    if not shutil.which("java"):
        missing["jvm"] = "no Java (make system installs it)"
    if not Path("/usr/bin/chromium").exists():
        missing["browser"] = "no Chromium at /usr/bin/chromium (make system installs it)"
    try:
        has_gpu = Path("/proc/driver/nvidia/version").exists()
    except OSError:
        has_gpu = False
    if not has_gpu:
        missing["gpu"] = "no NVIDIA GPU"
    return missing


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot run here; leave what `PAX_REQUIRE` names, so that it fails."""
    required = {name.strip() for name in os.environ.get("PAX_REQUIRE", "").split(",")}
    missing = _missing()
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                if marker in required:
                    item.add_marker(pytest.mark.usefixtures("_required_but_missing"))
                else:
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def _required_but_missing() -> None:
    pytest.fail("PAX_REQUIRE names a facility that this machine lacks; run `make system`")


@pytest.fixture(scope="session")
def spark() -> object:
    """One embedded Spark session for the whole test process."""
    from pax_assets.compute.spark import spark_session

    return spark_session("")


@pytest.fixture
def lake(tmp_path: Path) -> str:
    """The address of an empty lake."""
    folder = tmp_path / "lake"
    folder.mkdir()
    return str(folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is absent: tests on real data need it")
    return SHARED_DATA
