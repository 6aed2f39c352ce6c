"""What the columns of the maintenance tables mean."""

from __future__ import annotations

TABLE_STATISTICS = {
    "table": "the table's name in the lake",
    "partitions": "partitions that have files",
    "rows": "rows of the newest snapshot, from its log",
    "bytes": "bytes of its files",
    "files_before": "its files before compaction",
    "files_after": "its files after compaction",
    "files_vacuumed": "deleted files: of former snapshots, and orphans of killed runs",
    "delta_version": "version after maintenance",
    "checkpoint_version": "version of the newest log checkpoint, null where there is none",
    "problem": "what could not be done, null if all was",
    "measured_at": "when maintenance ran, UTC",
    "day": "the day of that; one row a table and day; the partition",
}

ERASURES = {
    "request": "a random name; while the erasure is going on, a digest of the identities",
    "message_ids": "ids that are about to be removed; none once it is done",
    "messages": "how many messages were erased",
    "erased_at": "when it was done, UTC",
}
