"""The trained model that benchmarks of scoring use: the champion of a lake that `make demo` filled.

`PAX_LAKE` names the lake, as for everything else.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pax_assets.lake.artifacts import ArtifactStore
from pax_assets.lake.releases import KEY, Release, Releases
from pax_assets.settings import load_settings


def champion() -> tuple[str, Release]:
    """Return the lake and its champion; `SystemExit` with what to do where there is none."""
    lake = load_settings().lake
    release = Releases(ArtifactStore(lake)).champion()
    if release is None:
        raise SystemExit(
            f"the lake {lake} has no released model to measure: make demo trains and releases one"
        )
    return lake, release


def release_into(lake: Path) -> Release:
    """Make the champion that of `lake`, too; return it."""
    source, release = champion()
    for key in (KEY, release.onnx_path):
        shutil.copytree(Path(source, key), lake / key)
    return release
