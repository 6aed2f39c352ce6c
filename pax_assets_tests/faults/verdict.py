"""What must be true of a lake after all that was done to it."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from pax_assets.jobs.features import build_messages
from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.outcomes import outcomes
from pax_assets.lake import ledger, read
from pax_assets_tests.faults.traffic import CHANNELS, DAYS, Traffic
from pax_assets_tests.lake_state import state


def clean_run(spark: object, landing: Path, lake: Path) -> None:
    """Take everything in, in one go, by one process, in the order of the days."""
    for day in DAYS:
        for channel in CHANNELS:
            ingest(str(lake), str(landing), channel, day, datetime.now(UTC))
        build_messages(spark, str(lake), day)


def judge(lake: Path, clean: Path, traffic: Traffic) -> list[str]:
    """Return what is wrong with `lake`, one sentence each; nothing, if all is well."""
    wrong: list[str] = []
    address = str(lake)
    rows = read(address, "messages", ["channel", "provider_message_id"]).to_pylist()
    counted = Counter((row["channel"], row["provider_message_id"]) for row in rows)
    lost = traffic.ids - set(counted)
    twice = [key for key, count in counted.items() if count > 1]
    strange = set(counted) - traffic.ids
    if lost or twice or strange:
        wrong.append(f"{len(lost)} messages lost, {len(twice)} twice, {len(strange)} made up")
    totals = ledger.totals(address)
    for name, expected in {"objects": len(traffic.objects), **traffic.records}.items():
        if totals[name] != expected:
            wrong.append(f"the ledger counts {totals[name]} {name}, {expected} landed")
    stored = Counter[str]()
    for channel in CHANNELS:
        for day in DAYS:
            for outcome in outcomes(address, channel, day):
                if not outcome.reconciled:
                    wrong.append(f"{outcome} does not add up")
                stored["messages"] += outcome.messages
                stored["duplicates"] += outcome.duplicates
                stored["channel_events"] += outcome.channel_events
                stored["quarantined"] += outcome.quarantined
    expected = {**traffic.records, "messages": len(traffic.ids), "duplicates": traffic.duplicates}
    if dict(+stored) != {name: count for name, count in expected.items() if count}:
        wrong.append(f"the tables hold {dict(stored)}, {expected} landed")
    same, mine = state(str(clean)), state(address)
    wrong += [
        f"table {name} differs from a clean run's" for name in same if same[name] != mine[name]
    ]
    return wrong


def new_lake(folder: Path) -> Path:
    """Return an address at which there is no lake yet."""
    return folder / f"lake-{uuid.uuid4().hex[:8]}"
