"""The job that erases a person, started by a person who types whom.

What is typed into a run's configuration stays in Dagster's records: docs/erasure.md says how to
start the job without leaving the identity there.
"""

from pathlib import Path

import dagster as dg
from pydantic import Field

from pax_assets.defs.metadata import markdown_table
from pax_assets.defs.resources import LakeResource


class Erased(dg.Config):
    """Whom to erase, and whether to do it or to count first."""

    identities: list[str] = Field(
        default=[],
        description="phone numbers in any spelling, mail addresses, WhatsApp user ids, all of one "
        "person; none if they are in `identities_file`",
    )
    identities_file: str = Field(
        default="",
        description="a file on the machine of the run with one identity a line: configurations "
        "are kept, files can be deleted",
    )
    whole_person: bool = Field(
        default=False,
        description="also the identities that `identity_evidence` takes for the same person's",
    )
    dry_run: bool = Field(default=True, description="count, and change nothing")


@dg.op(description="Erases a person from landing, from the tables and from their history.")
def erase_person(context: dg.OpExecutionContext, config: Erased, lake: LakeResource) -> None:
    """Erase, or count; report counts only."""
    from pax_assets.jobs.erasing.subjects import NotAnIdentity
    from pax_assets.jobs.erasure import NoSuchLanding
    from pax_assets.lake import erase
    from pax_assets.lake.reading import NoSuchLake

    try:
        report = erase(
            lake.root,
            lake.landing,
            [*config.identities, *_in_file(config.identities_file)],
            region=lake.default_region,
            whole_person=config.whole_person,
            dry_run=config.dry_run,
        )
    except (NotAnIdentity, NoSuchLanding, NoSuchLake) as error:
        raise dg.Failure(f"{error}; nothing was erased", allow_retries=False) from None
    done = "would be erased (dry run)" if report.dry_run else "erased"
    context.log.info("%d messages %s; request %s", report.messages, done, report.request[:12])
    if report.left:
        context.log.warning(
            "%d landed objects were left, because they are not ingested: materialize their days "
            "and start the job again",
            len(report.left),
        )
    rows = [{"table": name, "rows": count} for name, count in sorted(report.rows.items())]
    context.log_event(
        dg.AssetObservation(
            "messages",
            description=f"{report.messages} messages {done}",
            metadata={
                "rows_by_table": dg.MetadataValue.md(markdown_table(rows)),
                "identities": report.identities,
                "landed_objects_rewritten": len(report.rewritten),
                "landed_objects_deleted": len(report.deleted),
                "landed_objects_left": len(report.left),
                "files_vacuumed": report.files_vacuumed,
                "days": ", ".join(report.days),
                "to_be_trained_again": ", ".join(report.retrain) or "nothing",
            },
        )
    )
    if not report.dry_run:
        for day in report.days:
            _note(context, lake.root, day)


def _in_file(name: str) -> list[str]:
    if not name:
        return []
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise dg.Failure(
            f"identities_file {name!r} cannot be read ({type(error).__name__}): name a text file "
            "in UTF-8 on the machine of the run; nothing was erased",
            allow_retries=False,
        ) from None
    return [line.strip() for line in lines if line.strip()]


def _note(context: dg.OpExecutionContext, lake: str, day: str) -> None:
    """Say what the day is now, so that what follows from it is made again."""
    import pyarrow.compute as pc

    from pax_assets.lake import ledger
    from pax_assets.lake.content import records_hash
    from pax_assets.lake.tables import read

    columns = ["message_id", "raw_uri", "raw_sha256"]
    rows = read(lake, "messages", columns, pc.field("arrival_day") == day)
    context.log_event(
        dg.AssetMaterialization(
            asset_key="messages",
            partition=day,
            description="a person was erased",
            metadata={"dagster/row_count": rows.num_rows},
            tags={"dagster/data_version": records_hash(rows, ledger.parsers(lake, day))},
        )
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Erases a person. Counts first: set `dry_run` to false to do it. Nothing else may "
    "run on the lake meanwhile: stop the landing sensor and wait for runs under way.",
)
def erase_subject() -> None:
    """Erase a person."""
    erase_person()
