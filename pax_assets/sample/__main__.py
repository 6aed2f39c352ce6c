"""`python -m pax_assets.sample FOLDER [--labels FILE]`: the sample where a person can read it."""

from __future__ import annotations

import argparse
from pathlib import Path

from pax_assets.sample import gold, write_landing


def main() -> None:
    """Write the landing objects into a folder, and the gold labels as JSON Lines if asked."""
    parser = argparse.ArgumentParser(prog="python -m pax_assets.sample", description=__doc__)
    parser.add_argument("folder", type=Path, help="landing folder, created where absent")
    parser.add_argument("--labels", type=Path, help="also write the gold labels to this file")
    parser.add_argument("--seed", type=int, default=13)
    options = parser.parse_args()
    print(f"{write_landing(options.folder, options.seed)} landing objects in {options.folder}")
    if options.labels:
        documents = gold(options.seed)
        options.labels.parent.mkdir(parents=True, exist_ok=True)
        options.labels.write_text(
            "".join(document.to_json() + "\n" for document in documents), encoding="utf-8"
        )
        print(f"{len(documents)} labelled documents in {options.labels}")


if __name__ == "__main__":
    main()
