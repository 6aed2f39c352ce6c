"""The job that hands messages to the people who label, with the model's answers filled in.

Correcting is faster than labelling, and a label on what the model is unsure of teaches it most.
The file holds messages, so it goes where the person who starts the job says, and not into the
lake, from which a person can be erased.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from pax_assets.defs.resources import LakeResource


class LabelTasks(dg.Config):
    """How many messages, and where to."""

    folder: str = Field(
        description="a folder on the machine of the run; `tasks.json` and `labeling_config.xml` "
        "in it are written anew"
    )
    count: int = Field(default=100, ge=1, description="how many messages")
    looked_at: int = Field(
        default=2000, ge=1, description="of so many of the newest messages without labels"
    )


@dg.op(description="Writes Label Studio tasks of the messages of which the model is least sure.")
def write_label_tasks(
    context: dg.OpExecutionContext, config: LabelTasks, lake: LakeResource
) -> None:
    """Choose, and write the tasks and the labelling interface."""
    from pax_assets.corpora import label_studio_tasks
    from pax_assets.defs.insights.assets import released_scorer
    from pax_assets.jobs.label_candidates import label_candidates
    from pax_assets.nlp.labels import LabelScheme

    scorer = released_scorer(lake)
    # The model alone: what rules find is not what people label.
    runtime = scorer.load(scorer.onnx_dir, scorer.variant, scorer.threads, None)
    chosen = label_candidates(lake.root, runtime, config.count, looked_at=config.looked_at)
    folder = Path(config.folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tasks = folder / "tasks.json"
        label_studio_tasks.write_tasks(tasks, chosen, model_version=scorer.model_version)
        scheme = LabelScheme.load(Path(scorer.onnx_dir))
        (folder / "labeling_config.xml").write_text(
            label_studio_tasks.labeling_config(scheme), encoding="utf-8"
        )
    except OSError as error:
        raise dg.Failure(
            f"folder {config.folder!r} cannot be written to ({error.strerror}): name a folder on "
            "the machine of the run",
            allow_retries=False,
        ) from None
    context.log.info(
        "%d messages for people to label are in %s; they were chosen with model %s",
        len(chosen),
        folder,
        scorer.model_version,
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Writes Label Studio tasks of the messages of which the released model is least "
    "sure, with its answers filled in. What comes back from Label Studio is a label source "
    "(docs/labels.md).",
)
def export_label_tasks() -> None:
    """Write the tasks."""
    write_label_tasks()
