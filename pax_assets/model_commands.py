"""`make promote`, `make rollback`, `make releases` and `make sweep`, for people at a terminal.

They start what the UI starts, in this process: the same jobs and assets, the same records.

    python -m pax_assets.model_commands promote [--model MODEL] [--why WHY]
    python -m pax_assets.model_commands rollback [--to RELEASE] [--why WHY]
    python -m pax_assets.model_commands releases
    python -m pax_assets.model_commands sweep

The exit status is 0 if what was asked for is so now, else 1 with a sentence.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pax_assets.progress import QUIET, Progress, say
from pax_assets.recipes import RecipeError
from pax_assets.settings import SettingsError, load_settings

if TYPE_CHECKING:
    import dagster as dg

    from pax_assets.defs.model.tracking import MlflowResource
    from pax_assets.defs.resources import LakeResource


class CommandFailed(RuntimeError):
    """What was asked for is not so; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    from pax_assets.lake.artifacts import MissingArtifact

    given = _parser().parse_args(arguments)
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        if given.command == "promote":
            _decide("promote_model", {"model": given.model, "why": given.why})
        elif given.command == "rollback":
            config = {"action": "rollback", "to": _release(given.to), "why": given.why}
            _decide("rollback_model", config)
        elif given.command == "releases":
            _list_releases()
        else:
            _sweep()
    except (CommandFailed, MissingArtifact, RecipeError, SettingsError) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pax_assets.model_commands")
    commands = parser.add_subparsers(dest="command", required=True)
    promote = commands.add_parser("promote", help="release a challenger, if it is better")
    promote.add_argument(
        "--model", default="", help="its version, or its number in MLflow (the newest exported)"
    )
    rollback = commands.add_parser("rollback", help="release a former champion again")
    rollback.add_argument("--to", default="", help="a release (the one before)")
    for command in (promote, rollback):
        command.add_argument("--why", default="", help="what the list of releases shall say")
    commands.add_parser("releases", help="list the releases")
    commands.add_parser("sweep", help="train the configurations that are missing, and compare")
    return parser


def _release(text: str) -> int:
    if text and not text.isdecimal():
        raise CommandFailed(f"{text!r} is no release's number: make releases lists them")
    return int(text or 0)


def _decide(name: str, config: Mapping[str, Any]) -> None:
    """Run one of the two jobs; print the comparison and what is champion now."""
    import dagster as dg

    from pax_assets.definitions import defs
    from pax_assets.defs.model.released import CHECK

    definitions = defs()
    _look(config, (definitions.resources or {})["mlflow"])
    job = definitions.resolve_job_def(name)
    result = _run(
        job,
        dg.DagsterInstance.get(),
        run_config={**QUIET, "ops": {"released_model": {"config": dict(config)}}},
    )
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    gate = checks.get(CHECK)
    if gate is None:
        raise CommandFailed(_why(result))
    say("")
    say(_aligned(str(gate.metadata["comparison"].value)))
    say("")
    if not gate.passed:
        raise CommandFailed(str(gate.metadata["verdict"].value))
    say(str(gate.metadata["verdict"].value))
    if not result.success:
        raise CommandFailed(
            f"that is released, but what serves it was not brought up: {_why(result)}"
        )


def _look(config: Mapping[str, Any], mlflow: MlflowResource) -> None:
    """Refuse what names nothing before a run of it fails, and looks as if the champion had."""
    from pax_assets.defs.model.gate import NotReleasable
    from pax_assets.defs.model.promotion import exported_version
    from pax_assets.lake.releases import NoFormerRelease, Releases, to_go_back_to

    lake = _lake()
    try:
        if config.get("action") == "rollback":
            to_go_back_to(Releases(lake.artifacts()).history(), config["to"])
        elif config["model"]:
            exported_version(lake, mlflow, config["model"])
    except (NotReleasable, NoFormerRelease) as error:
        raise CommandFailed(str(error)) from None


def _list_releases() -> None:
    from pax_assets.defs.model.promotion import release_table
    from pax_assets.lake.releases import Releases

    history = Releases(_lake().artifacts()).history()
    if not history:
        raise CommandFailed("no model was released yet: materialize released_model, or make demo")
    say(_aligned(release_table(history)))


def _sweep() -> None:
    """Train what is missing, one after another; print the table and the best."""
    import dagster as dg

    from pax_assets.definitions import defs
    from pax_assets.defs.model.sweep import RESULTS, SWEEP, missing

    todo = missing(_lake())
    instance = dg.DagsterInstance.get()
    job = defs().resolve_implicit_global_asset_job_def()
    say(f"sweep: {len(todo)} configurations to train: {', '.join(one.name for one in todo)}")
    reasons = {}
    for number, one in enumerate(todo, start=1):
        say(f"[{number}/{len(todo)}] {one.name}")
        run = _run(job, instance, run_config=QUIET, keys=[SWEEP], partition_key=one.key)
        if run.success:
            continue
        if _interrupted(run):
            raise CommandFailed(f"stopped in {one.name}; make sweep goes on where it was")
        reasons[one.name] = _why(run)
    result = _run(job, instance, run_config=QUIET, keys=[RESULTS])
    found = result.asset_materializations_for_node(RESULTS)
    if not found:
        raise CommandFailed(_why(result))
    shown = {name: value.value for name, value in found[0].metadata.items()}
    say("")
    say(_aligned(str(shown["results"])))
    say("")
    if shown["best"] != "none":
        say(
            f"sweep: best={shown['best']} on dev; PAX_RECIPE={shown['best']} trains "
            "message_model by it"
        )
    if shown["failed"] != "none":
        raise CommandFailed(f"failed: {shown['failed']}")
    if reasons:
        said = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        raise CommandFailed(f"without a result: {said}")


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    run_config: Mapping[str, Any],
    keys: Sequence[str] = (),
    partition_key: str | None = None,
) -> dg.ExecuteInProcessResult:
    import dagster as dg
    from dagster._core.utils import make_new_run_id

    run_id = make_new_run_id()
    with Progress(instance, run_id):
        return job.execute_in_process(
            instance=instance,
            run_id=run_id,
            run_config=dict(run_config),
            asset_selection=[dg.AssetKey(key) for key in keys] or None,
            partition_key=partition_key,
            raise_on_error=False,
        )


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether somebody stopped the run: then nothing else shall be started."""
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error and "Interrupt" in (error.cls_name or "") for error in errors)


def _why(result: dg.ExecuteInProcessResult) -> str:
    """Return the message of a run's first error."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error and error.cause:
                error = error.cause
            message = error.message.strip() if error else ""
            # As Python prints it, the name of the exception stands before its sentence.
            return message.partition(": ")[2] or message
    return "the run did not end well; the UI shows its log"


def _lake() -> LakeResource:
    from pax_assets.defs.resources import LakeResource

    settings = load_settings()
    return LakeResource(root=settings.lake, landing=settings.landing_root, cache=settings.cache)


def _aligned(page: str) -> str:
    """Return a page of Markdown with its tables' columns in line."""
    lines = page.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    cells = {line: [_cell(part) for part in line.strip("|").split(" | ")] for line in tables}
    widths = [
        max(len(row[column]) for row in cells.values() if column < len(row))
        for column in range(max(map(len, cells.values()), default=0))
    ]
    shown = []
    for line in lines:
        if line.startswith(("| ---", "|---")):
            shown.append("  ".join("-" * width for width in widths))
        elif line in cells:
            row = zip(cells[line], widths, strict=False)
            shown.append("  ".join(cell.ljust(width) for cell, width in row).rstrip())
        else:
            shown.append(line)
    return "\n".join(shown)


def _cell(text: str) -> str:
    return text.strip().replace("\\|", "|")


if __name__ == "__main__":
    sys.exit(main())
