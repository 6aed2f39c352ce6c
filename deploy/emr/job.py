"""Runs a PAX job file on EMR Serverless, or by any `spark-submit` that takes one script.

    spark-submit --py-files pax_assets.zip job.py pax_assets.jobs.ingest --lake s3://… --day …

A job file inside of a zip cannot be submitted itself; this script is what lies beside it.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Run the job file that the first argument names with the others."""
    module, *arguments = sys.argv[1:] or [""]
    if not module.startswith("pax_assets.jobs."):
        raise SystemExit(f"the first argument is {module!r}, and no job file of pax_assets.jobs")
    import_module(module).main(arguments)


if __name__ == "__main__":
    main()
