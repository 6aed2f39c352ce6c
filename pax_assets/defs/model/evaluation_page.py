"""What an ML engineer reads of a model before promoting it, as one Markdown page.

The same page goes into the asset's metadata and into the MLflow run. It names documents and
offsets, and no words of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pax_assets.defs.metadata import markdown_table

_HEADS = ("entity", "event", "argument", "relation")
_ERRORS_SHOWN = 25


def evaluation_page(breakdown: Mapping[str, Any]) -> str:
    """Return the page of `nlp.breakdown.breakdown`'s result."""
    parts = [
        "### By channel",
        _parts(breakdown["channels"]),
        "### By length",
        _parts(breakdown["lengths"]),
        "### Are scores right as often as they say?",
        *(_calibration(head, found) for head, found in breakdown["calibration"].items()),
        f"### Errors ({breakdown['errors_in_all']} in all)",
        _errors(breakdown["errors"]),
    ]
    return "\n\n".join(parts)


def _parts(parts: Mapping[str, Mapping[str, Any]]) -> str:
    return markdown_table(
        [
            {
                "": name,
                "documents": part["documents"],
                **{f"{head} F1": _f1(part[head]) for head in _HEADS},
            }
            for name, part in parts.items()
        ]
    )


def _f1(part: Mapping[str, Any]) -> str:
    return f"{part['f1']:.3f} ({part['support']})" if part["support"] else "none"


def _calibration(head: str, found: Mapping[str, Any]) -> str:
    if found["ece"] is None:
        return f"{head}: nothing was found."
    rows = [
        {
            "score": f"{row['low']:.1f} to {row['high']:.1f}",
            "found": row["count"],
            "mean score": f"{row['score']:.2f}",
            "right": f"{row['right']:.2f}",
        }
        for row in found["bins"]
    ]
    return f"{head}: expected calibration error {found['ece']:.3f}\n\n{markdown_table(rows)}"


def _errors(errors: list[Mapping[str, Any]]) -> str:
    if not errors:
        return "None."
    return markdown_table(
        [
            {
                "document": error["doc_id"],
                "offsets": f"{error['start']} to {error['end']}",
                "what": error["kind"],
                "gold": error["gold"] or "nothing",
                "found": error["found"] or "nothing",
            }
            for error in errors[:_ERRORS_SHOWN]
        ]
    )
