"""The lake's housekeeping, every night: compaction, vacuum, checkpoints, statistics."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from pax_assets.defs.maintenance.columns import TABLE_STATISTICS
from pax_assets.defs.metadata import markdown_table, table_metadata
from pax_assets.defs.resources import LakeResource

if TYPE_CHECKING:
    from pax_assets.lake.maintenance import MaintenanceReport, TableStatistics


@dg.asset(
    group_name="maintenance",
    owners=["team:data"],
    kinds={"delta"},
    description=(
        "Every table in few files, and no file that nobody needs: small files of a partition "
        "become one, former snapshots and what killed runs left behind are deleted after "
        "`PAX_VACUUM_HOURS`, long logs get a checkpoint. Changes no row, so nothing downstream "
        "is requested; runs beside ingestion. The numbers are in the table `table_statistics`."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "tables_maintained",
            asset="table_statistics",
            description="Every table of the lake could be compacted, vacuumed and checkpointed.",
        )
    ],
)
def table_statistics(lake: LakeResource) -> dg.MaterializeResult:
    """Maintain every table of the lake and write down its statistics."""
    import pyarrow.compute as pc

    from pax_assets.lake.maintenance import maintain
    from pax_assets.lake.tables import read

    report = maintain(lake.root, retention_hours=lake.vacuum_hours)
    days = read(lake.root, "table_statistics", ["day"])["day"]
    rows = read(lake.root, "table_statistics", filter=pc.field("day") == pc.max(days).as_py())
    return dg.MaterializeResult(
        metadata={
            **table_metadata(rows, descriptions=TABLE_STATISTICS),
            "tables": dg.MetadataValue.md(_shown(report.tables)),
            "files_before": sum(table.files_before for table in report.tables),
            "files_after": sum(table.files_after for table in report.tables),
            "files_vacuumed": sum(table.files_vacuumed for table in report.tables),
            "bytes": sum(table.bytes for table in report.tables),
            "stale_folders_removed": len(report.stale_folders),
        },
        check_results=[_tables_maintained(report)],
    )


def _shown(tables: Sequence["TableStatistics"]) -> str:
    return markdown_table(
        [
            {
                "table": table.table,
                "rows": table.rows,
                "MB": f"{table.bytes / 1e6:.1f}",
                "partitions": table.partitions,
                "files before": table.files_before,
                "files after": table.files_after,
                "vacuumed": table.files_vacuumed,
                "version": table.delta_version,
                "problem": table.problem or "",
            }
            for table in tables
        ]
    )


def _tables_maintained(report: "MaintenanceReport") -> dg.AssetCheckResult:
    failed = [table for table in report.tables if table.problem]
    return dg.AssetCheckResult(
        check_name="tables_maintained",
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{table.table}: {table.problem}" for table in failed) or None,
        metadata={"tables": len(report.tables), "failed": len(failed)},
    )


lake_maintenance = dg.define_asset_job(
    "lake_maintenance",
    selection=dg.AssetSelection.assets("table_statistics"),
    description="Compaction, vacuum, checkpoints and statistics of every table of the lake.",
)

nightly = dg.ScheduleDefinition(
    name="lake_maintenance_nightly",
    job=lake_maintenance,
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At 02:30 UTC, when most of yesterday has arrived.",
)
