"""The parse step on a cluster: the same parser, inside the engine's Python workers.

On one machine, processes beside this one parse (`parsing.parse_objects`). On a cluster that would
be the driver alone, with every other machine idle. So each task of the engine takes a part of
the objects, writes their rows to where they belong, and hands back counts and file names only:
rows go through no JVM. A task that is run twice leaves files that nobody names, which nobody
reads; they go when the table is vacuumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pax_assets.jobs.rows.parsing import Parsed, ParseTask, parse_here, split
from pax_assets.lake.commit import DataFile
from pax_assets.lake.ledger import Entry

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

# More parts than cores, so that a slow one does not keep the others waiting.
_PARTS_A_CORE = 2


def parse_on_cluster(spark: SparkSession) -> Callable[[ParseTask, int], Parsed]:
    """Return a parse step (`ingest(parse=…)`) that runs in the workers of `spark`.

    The package must be importable there, and the lake and landing reachable.
    """

    def parse(task: ParseTask, workers: int) -> Parsed:
        # As many at a time as the cluster has cores: that is its setting, not ours.
        del workers
        parts = tuple(split(task, parts=spark.sparkContext.defaultParallelism * _PARTS_A_CORE))
        numbers = spark.range(0, len(parts), 1, len(parts))
        total = Parsed()
        for row in numbers.mapInArrow(partial(_parse_parts, parts), "parsed string").collect():
            total.add(parsed_from(json.loads(row["parsed"])))
        return total

    return parse


def _parse_parts(
    parts: Sequence[ParseTask], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Runs in a Python worker: parse the parts whose numbers come in."""
    import pyarrow as pa

    for batch in batches:
        done = [as_json(parse_here(parts[number])) for number in batch.column(0).to_pylist()]
        yield pa.RecordBatch.from_pydict({"parsed": pa.array(done, pa.string())})


def as_json(parsed: Parsed) -> str:
    """Return what became of some objects as JSON."""
    return json.dumps(asdict(parsed), default=datetime.isoformat)


def parsed_from(fields: dict[str, Any]) -> Parsed:
    """Return what `as_json` wrote; raises `TypeError` for anything else."""
    return Parsed(
        entries=[
            Entry(**{**entry, "first_seen": datetime.fromisoformat(entry["first_seen"])})
            for entry in fields.pop("entries")
        ],
        messages=[DataFile(**file) for file in fields.pop("messages")],
        **fields,
    )
