"""`make demo`: the whole line, from landing objects to an answer of the running service.

It is the main job, and it proves itself: it ends with exit code 0 only if every asset was
materialized in this very run, every blocking check passed, the scores reach their floors, and
the service answered with the model that this run trained.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from pax_assets.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.nlp.documents import Analysis

FLOORS = {"entity_f1": 0.80, "event_f1": 0.65, "relation_f1": 0.60}
QUESTION = (
    "Hi Priya, this is Tomas Lindqvist from Harbor Analytics. Can we meet on Thursday at 10:30 "
    "in Rotterdam? I will send the signed contract to Leila Haddad at Brightwell Foods."
)
_POLL_SECONDS = 0.25


class DemoFailed(RuntimeError):
    """The line did not run as promised; the message says where."""


@dataclass
class Line:
    """The run so far: what was materialized, and which checks did not pass."""

    job: dg.JobDefinition
    instance: dg.DagsterInstance
    steps: int
    step: int = 0
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def run(self, keys: Sequence[str], partition: str | None = None) -> None:
        """Materialize `keys` in one Dagster run, printing each step as it ends."""
        import dagster as dg
        from dagster._core.utils import make_new_run_id

        self.step += 1
        where = f" {partition}" if partition else ""
        names = " ".join(keys)
        say(f"[{self.step:2d}/{self.steps}]{where} {names}")
        run_id = make_new_run_id()
        started = time.monotonic()
        with _Progress(self.instance, run_id):
            result = self.job.execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
                partition_key=partition,
                run_id=run_id,
                raise_on_error=False,
                # The events are shown by `_Progress`; Dagster's own console would show them too.
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        made = []
        for event in result.all_events:
            if event.is_step_materialization:
                materialization = event.step_materialization_data.materialization
                key = materialization.asset_key.to_user_string()
                made.append(key)
                self.materialized[key] = {k: v.value for k, v in materialization.metadata.items()}
                self.versions[key] = (materialization.tags or {}).get("dagster/data_version", "")
        evaluations = result.get_asset_check_evaluations()
        failed = [e for e in evaluations if e.blocking and not e.passed]
        if failed:
            raise DemoFailed(
                "blocking checks failed: "
                + "; ".join(f"{e.asset_key.to_user_string()}: {e.check_name}" for e in failed)
            )
        if not result.success:
            raise DemoFailed(f"the run of {names}{where} failed; its error stands above")
        self._require_all(keys, set(made), {e.asset_check_key for e in evaluations})
        say(f"        {time.monotonic() - started:.1f} s")

    def _require_all(self, keys: Sequence[str], made: set[str], checked: set[object]) -> None:
        """An output that was skipped, or a check that was not evaluated, is a failure too."""
        graph = self.job.asset_layer.asset_graph
        nodes = [node for node in graph.asset_nodes if node.key.to_user_string() in keys]
        skipped = [
            node.key.to_user_string()
            for node in nodes
            if node.is_materializable and node.key.to_user_string() not in made
        ]
        if skipped:
            raise DemoFailed("the run did not materialize " + ", ".join(skipped))
        unchecked = [
            f"{key.asset_key.to_user_string()}: {key.name}"
            for node in nodes
            for key in node.check_keys
            if graph.get(key).blocking and key not in checked
        ]
        if unchecked:
            raise DemoFailed("blocking checks were not evaluated: " + "; ".join(unchecked))


class _Progress:
    """Prints what happens in a run while it runs, read from the run's own event log."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance, self._run_id = instance, run_id
        self._ended = Event()
        self._cursor: str | None = None
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._show()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._show()

    def _show(self) -> None:
        connection = self._instance.get_records_for_run(self._run_id, cursor=self._cursor)
        self._cursor = connection.cursor
        for record in connection.records:
            entry = record.event_log_entry
            event = entry.dagster_event
            if event is None:
                # Payloads print their own progress; of the run's log only trouble is news.
                if entry.level >= logging.WARNING:
                    say(f"        {entry.user_message}")
            elif event.is_step_failure:
                error = event.step_failure_data.error
                cause = error.cause if error and error.cause else error
                say(f"        {event.step_key} FAILED: {(cause.message if cause else '').strip()}")
            elif event.is_step_success:
                took = event.step_success_data.duration_ms / 1000
                say(f"        {event.step_key} ok, {took:.1f} s")


def say(line: str) -> None:
    """Print one line of progress at once."""
    print(line, flush=True)


def days_with_objects(settings: Settings) -> list[str]:
    """The arrival days that have landing objects, in order."""
    from pax_assets.lake.landing import landing_days

    days = landing_days(settings.lake, settings.landing_root)
    if not days:
        raise DemoFailed(
            f"{settings.landing_root} holds no landing object; put files under "
            "sms/, whatsapp/ or email/ there"
        )
    today = datetime.now(UTC).date().isoformat()
    if days[0] < settings.start_date.isoformat():
        raise DemoFailed(
            f"{settings.landing_root} has objects of {days[0]}, before the first daily partition "
            f"{settings.start_date}: set PAX_START_DATE={days[0]}"
        )
    if days[-1] > today:
        raise DemoFailed(
            f"{settings.landing_root} has objects of {days[-1]}, which is after today ({today}, "
            "UTC): a folder is named after the day on which its objects arrived"
        )
    return days


def ask(settings: Settings, model_version: str) -> tuple[Analysis, float]:
    """Send the question to the service; return its answer and the time it took, in ms."""
    from pax_assets.client import Client

    started = time.monotonic()
    answer = Client(f"http://127.0.0.1:{settings.api_port}").analyze([QUESTION])
    took = (time.monotonic() - started) * 1000
    if answer.model_version != model_version:
        raise DemoFailed(
            f"the service answers with model {answer.model_version}, and this run trained "
            f"{model_version}"
        )
    analysis = answer.results[0].analysis
    for layer in ("entities", "events", "relations"):
        if not getattr(analysis, layer):
            raise DemoFailed(f"the service found no {layer} in the demo's question")
    return analysis, took


def show(analysis: Analysis) -> None:
    """Print the service's answer as a person would read it. The text is the demo's own."""
    names = {entity.id: entity.text for entity in analysis.entities}
    say(f"  asked:     {QUESTION}")
    for entity in analysis.entities:
        say(f"  entity:    {entity.text} ({entity.type}, {entity.score:.2f})")
    for event in analysis.events:
        roles = ", ".join(f"{a.role} = {names[a.entity]}" for a in event.arguments)
        say(f"  event:     {event.type} “{event.text}” {roles}")
    for relation in analysis.relations:
        head, tail = names[relation.head], names[relation.tail]
        say(f"  relation:  {head} —{relation.type}→ {tail} ({relation.score:.2f})")


def run() -> str:
    """Run the line; return the closing line of the demo, raise `DemoFailed` otherwise."""
    import dagster as dg

    from pax_assets.compute.local_service import LocalService
    from pax_assets.definitions import defs as load_definitions

    settings = load_settings()
    if settings.landing is None:
        from pax_assets.sample import write_landing

        objects = write_landing(Path(settings.landing_root), settings.seed)
        say(f"sample: {objects} landing objects in {settings.landing_root}")
    days = days_with_objects(settings)
    definitions = load_definitions()
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.materializable_asset_keys}
    line = Line(
        job=definitions.resolve_implicit_global_asset_job_def(),
        instance=dg.DagsterInstance.get(),
        steps=2 * len(days) + 3,
    )
    daily = {
        node.key.to_user_string() for node in graph.asset_nodes if node.partitions_def is not None
    } & keys
    insights = sorted(key for key in keys if key.startswith("insights/"))
    store = sorted(daily - set(insights))
    last = ["relationship_graph", "table_statistics"]
    rest = sorted(keys - {*daily, *insights, *last})
    try:
        for day in days:
            line.run(store, day)
        line.run(["label_sources"])
        line.run(rest)
        for day in days:
            line.run(insights, day)
        line.run(last)
        never = sorted(keys - set(line.materialized))
        if never:
            raise DemoFailed("these assets were not materialized: " + ", ".join(never))
        analysis, took = ask(settings, line.versions["message_model"])
        show(analysis)
        return _summary(settings, line, took)
    finally:
        if os.environ.get("KEEP") == "1":
            say(f"  KEEP=1: the service stays at http://127.0.0.1:{settings.api_port}")
        else:
            LocalService(settings.lake, settings.api_port).stop()


def _summary(settings: Settings, line: Line, answer_ms: float) -> str:
    from pax_assets.lake import read
    from pax_assets.lake.ledger import totals

    scores = {name: line.materialized["message_model"][f"test_{name}"] for name in FLOORS}
    low = [f"{k} {v:.3f} < {FLOORS[k]}" for k, v in scores.items() if v < FLOORS[k]]
    if low:
        raise DemoFailed("scores on the held-out sample are under their floors: " + ", ".join(low))
    landed = totals(settings.lake)
    messages = read(settings.lake, "messages", columns=["message_id"]).num_rows
    # Counted from the index of occurrences, not as what is left over: the sum below can fail.
    occurrences = read(settings.lake, "message_keys", columns=["key", "key_low"])
    different = occurrences.group_by(["key", "key_low"]).aggregate([]).num_rows
    duplicates = occurrences.num_rows - different
    outcomes = (messages, landed["channel_events"], landed["quarantined"], duplicates)
    if landed["records"] != sum(outcomes):
        raise DemoFailed(
            f"{landed['records']} records landed, but their outcomes add up to {sum(outcomes)}"
        )
    return (
        f"demo: landed={landed['records']} messages={messages} "
        f"events={landed['channel_events']} quarantined={landed['quarantined']} "
        f"duplicates={duplicates} "
        + " ".join(f"{name}={value:.3f}" for name, value in scores.items())
        + f" answer_ms={answer_ms:.0f}"
    )


def main() -> int:
    """Run the demo; 0 only if everything that it promises is true."""
    from pax_assets.client import ClientError
    from pax_assets.compute.local_service import ServiceError

    # Beta notices of libraries and MLflow's table set-up are no progress.
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        say(run())
    except (DemoFailed, SettingsError, ClientError, ServiceError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
