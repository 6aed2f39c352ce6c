"""The Dagster code location: loads `defs/` and adds what every asset has in common.

Freshness, code links and the executor are set here once; an asset that wants another freshness
policy states its own, and keeps it.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg

from pax_assets.defs.freshness import DAILY_FRESHNESS


def _with_freshness(spec: dg.AssetSpec) -> dg.AssetSpec:
    return (
        spec if spec.freshness_policy else spec.replace_attributes(freshness_policy=DAILY_FRESHNESS)
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Everything under `defs/`, with freshness on every asset and links to its code."""
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    with warnings.catch_warnings():
        # Code references are beta in Dagster, which says so once an asset: 20 lines at start-up.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        fresh = loaded.map_resolved_asset_specs(func=_with_freshness)
        linked = dg.with_source_code_references(list(fresh.assets or ()))
    return dg.Definitions(
        assets=linked,
        asset_checks=fresh.asset_checks,
        schedules=fresh.schedules,
        sensors=fresh.sensors,
        jobs=fresh.jobs,
        resources=fresh.resources,
        # One process a run: the Spark session and the loaded model are shared by its steps, and
        # a step starts in milliseconds instead of seconds.
        executor=dg.in_process_executor,
    )
