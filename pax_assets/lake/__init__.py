"""The lake: Delta tables of messages and what was made of them, on a directory or on S3.

`read` is the public way in, and `erase` the way out of it for a person; neither needs Spark.
Writers go through `commit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pax_assets.jobs.erasure import erase
    from pax_assets.lake.content import content_hash
    from pax_assets.lake.reading import read

__all__ = ["content_hash", "erase", "read"]


def __getattr__(name: str) -> object:
    # Dagster loads `lake.artifacts` with the definitions; Arrow and Delta can wait for a run.
    if name == "read":
        from pax_assets.lake.reading import read

        return read
    if name == "content_hash":
        from pax_assets.lake.content import content_hash

        return content_hash
    if name == "erase":
        # What a person left in a lake is known to the jobs that wrote it.
        from pax_assets.jobs.erasure import erase

        return erase
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
