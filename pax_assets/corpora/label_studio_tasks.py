"""Analyses as Label Studio tasks, for people to correct.

People correct faster than they label, so what the model finds goes out as predictions, beside the
labelling interface that a project needs for them. What people made of it comes back by
`formats.label_studio`. Offsets are code points, as Label Studio counts them since about 2021.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from pax_assets.corpora.selection import Candidate, uncertainty
from pax_assets.nlp.labels import LabelScheme

# What the tags of the interface are called, and the fields of a task's data.
TEXT, ENTITIES, TRIGGERS = "text", "entities", "triggers"
MESSAGE_ID = "message_id"
# Colours on which black text reads well; without one, all labels look alike.
_COLOURS = ("#FFC069", "#95DE64", "#69C0FF", "#FF9C6E", "#B37FEB", "#5CDBD3", "#FFD666", "#FF85C0")


def tasks(candidates: Iterable[Candidate], *, model_version: str) -> Iterator[dict[str, Any]]:
    """Yield a task for each candidate, with its analysis as prediction.

    The score of a prediction is that of the finding which is least sure, so that Label Studio
    sorts tasks as `corpora.selection` does.
    """
    for candidate in candidates:
        analysis = candidate.analysis
        spans = [(ENTITIES, e) for e in analysis.entities] + [
            (TRIGGERS, e) for e in analysis.events
        ]
        regions = [
            {
                "id": span.id,
                "from_name": tag,
                "to_name": TEXT,
                "type": "labels",
                "score": span.score,
                "value": {
                    "start": span.start,
                    "end": span.end,
                    "text": candidate.text[span.start : span.end],
                    "labels": [span.type],
                },
            }
            for tag, span in spans
        ]
        if len({region["id"] for region in regions}) != len(regions):
            raise ValueError(f"{candidate.doc_id}: two spans of the analysis share an id")
        links = [(r.head, r.tail, r.type) for r in analysis.relations]
        links += [(e.id, a.entity, a.role) for e in analysis.events for a in e.arguments]
        # Label Studio drops a second relation of the same two spans, so a pair has one with all
        # labels.
        labels: dict[tuple[str, str], list[str]] = {}
        for start, end, label in links:
            labels.setdefault((start, end), []).append(label)
        relations = [
            {
                "type": "relation",
                "from_id": start,
                "to_id": end,
                "direction": "right",
                "labels": names,
            }
            for (start, end), names in labels.items()
        ]
        data = {
            TEXT: candidate.text,
            "doc_id": candidate.doc_id,
            "group": candidate.group,
            MESSAGE_ID: candidate.message_id,
        }
        yield {
            "data": {name: value for name, value in data.items() if value is not None},
            "predictions": [
                {
                    "model_version": model_version,
                    "score": 1 - uncertainty(analysis),
                    "result": [*regions, *relations],
                }
            ],
        }


def write_tasks(path: Path, candidates: Iterable[Candidate], *, model_version: str) -> int:
    """Write the tasks of `candidates` as a file that Label Studio imports; return their number."""
    count = 0
    with Path(path).open("w", encoding="ascii", newline="\n") as out:
        out.write("[")
        for task in tasks(candidates, model_version=model_version):
            # In ASCII, for texts may hold lone surrogates.
            out.write(",\n" if count else "\n")
            out.write(json.dumps(task))
            count += 1
        out.write("\n]\n")
    return count


def labeling_config(scheme: LabelScheme) -> str:
    """Return the labelling interface (XML) of a Label Studio project for `tasks`.

    It has a label for each type of entity and trigger, and a relation for each type of relation
    and each role.
    """
    from xml.etree import ElementTree as ET

    view = ET.Element("View")
    if links := sorted({*scheme.relations[1:], *scheme.roles[1:]}):
        relations = ET.SubElement(view, "Relations", choice="multiple")
        for name in links:
            ET.SubElement(relations, "Relation", value=name)
    colours = cycle(_COLOURS)
    for tag, labels in ((ENTITIES, scheme.entities), (TRIGGERS, scheme.triggers)):
        if names := sorted({label[2:] for label in labels[1:]}):
            control = ET.SubElement(view, "Labels", name=tag, toName=TEXT)
            for name in names:
                ET.SubElement(control, "Label", value=name, background=next(colours))
    ET.SubElement(view, "Text", name=TEXT, value=f"${TEXT}")
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"
