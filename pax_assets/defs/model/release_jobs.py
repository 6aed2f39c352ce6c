"""Promotion and rollback by hand, with what serves the champion behind them.

`make promote` and `make rollback` start the same jobs.
"""

import dagster as dg

from pax_assets.defs.model.released import ReleaseAction, ReleaseConfig
from pax_assets.lake.releases import KEY

SERVED = dg.AssetSelection.assets(KEY, "message_intelligence_bento", "bento_deployment")

promote_model = dg.define_asset_job(
    "promote_model",
    selection=SERVED,
    config=dg.RunConfig(ops={KEY: ReleaseConfig(action=ReleaseAction.promote)}),
    description="Makes a challenger the champion if it is better on the present dev set (the check "
    "`better_than_champion` shows the comparison), and serves it. In the launchpad, `model` names "
    "another model than the newest exported one, by its version or its number in MLflow: this "
    "also lets a withdrawn model try again.",
)

rollback_model = dg.define_asset_job(
    "rollback_model",
    selection=SERVED,
    config=dg.RunConfig(ops={KEY: ReleaseConfig(action=ReleaseAction.rollback)}),
    description="Makes the champion before the present one the champion again, and serves it; "
    "nothing is compared. In the launchpad, `to` names another release. The model that is left "
    "stays withdrawn until somebody promotes it by name.",
)
