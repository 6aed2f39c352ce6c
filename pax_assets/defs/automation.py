"""When an asset is requested: because what it depends on changed, never because a day landed.

`eager()` fires after every upstream materialization, also one that changed nothing: training
would run each night. These conditions look at data versions (content hashes) instead, and wait
while the asset, or what it depends on, is already being made.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg


def _requested_once(changed: dg.AutomationCondition) -> dg.AutomationCondition:
    """Turn "changed" into a request that is made once and is not lost while a run is going.

    `since` remembers the change until the asset was requested or made; the rest mirrors what
    `AutomationCondition.eager()` waits for, except for missing siblings: a daily asset always
    has some day that never landed.
    """
    handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
    return (
        changed.since(handled)
        # A blocking check stops only its own run; here it stops the runs that would follow.
        & ~dg.AutomationCondition.any_deps_match(
            dg.AutomationCondition.any_checks_match(
                dg.AutomationCondition.check_failed(), blocking_only=True
            )
        )
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.any_deps_in_progress()
    )


WHEN_A_DEPENDENCY_CHANGED = _requested_once(
    dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
).with_label("when_a_dependency_changed")


def when_changed(*keys: str) -> dg.AutomationCondition:
    """Requested when the data version of one of `keys` (`a/b`) changed; others only order."""
    changed = dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.data_version_changed()
    ).allow(dg.AssetSelection.assets(*(dg.AssetKey(key.split("/")) for key in keys)))
    return _requested_once(changed).with_label("when_changed: " + ", ".join(keys))


# Not `on_cron`, which looks at the newest day alone: what lands in a day's last hour would wait
# for a person.
HOURLY_WITH_YESTERDAY = (
    dg.AutomationCondition.in_latest_time_window(timedelta(days=2))
    & dg.AutomationCondition.cron_tick_passed("0 * * * *").since_last_handled()
    & ~dg.AutomationCondition.in_progress()
).with_label("every_hour_today_and_yesterday")

HOURLY = (
    dg.AutomationCondition.cron_tick_passed("0 * * * *").since_last_handled()
    & ~dg.AutomationCondition.in_progress()
).with_label("every_hour")
