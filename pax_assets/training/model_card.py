"""`MODEL_CARD.md`: what a model is, from what, how good, and what it is not for.

It lies inside the artifact, so that it goes wherever the weights go. All of it is taken from what
the training knows; a person who wants to add something edits a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pax_assets.nlp.labels import LabelScheme

FILE = "MODEL_CARD.md"
# The cards of the models that training went on from.
BEFORE = "MODEL_CARD.before.md"
# Labels with fewer examples to learn from are named.
_FEW = 10
# Labels that are named for each source that says nothing of them.
_NAMED = 8
_HEADS = ("entity", "event", "argument", "relation")


def model_card(
    scheme: LabelScheme,
    dataset: Mapping[str, Any],
    metrics: Mapping[str, Any],
    lineage: Mapping[str, Any],
    *,
    goes_on: bool = False,
) -> str:
    """Return the card. `dataset` is dataset.json; the others are the artifact's own files.

    `goes_on` says that training began with another model of PAX, whose card lies beside this one.
    """
    types = {
        "Entities": sorted({label[2:] for label in scheme.entities[1:]}),
        "Events": sorted({label[2:] for label in scheme.triggers[1:]}),
        "Argument roles": scheme.roles[1:],
        "Relations": scheme.relations[1:],
    }
    parts = [
        "# PAX message model",
        "Finds entities, events with their arguments, and relations in messages and mails.",
        "## Intended use",
        "Reading an organisation's own SMS, WhatsApp and e-mail traffic, for search, routing and "
        "statistics, where a person checks what matters. Not for decisions about people without a "
        "person, and not for texts unlike those below: languages, trades and years that the "
        "training data do not have are not measured here.",
        "## What it knows",
        _table(
            ["kind", "labels"],
            [(kind, ", ".join(names) or "none") for kind, names in types.items()],
        ),
        "## Trained on",
        _table(
            ["source", "licence", "train", "dev", "test"],
            [
                (s["name"], s["licence"], s["train"], s["dev"], s["test"])
                for s in dataset.get("sources", ())
            ],
        ),
        "Numbers of documents. A conversation lies in one part only.",
        f"Training went on from another model, and its data and licences count here: `{BEFORE}`."
        if goes_on
        else "",
        _silences(dataset.get("sources", ())),
        _few_examples(dataset.get("examples", {})),
        "## Scores",
        "Strict F1 (offsets and types right), in brackets the number of gold items.",
        _table(
            ["head", "dev", "test"],
            [(head, *(_f1(metrics[split][head]) for split in ("dev", "test"))) for head in _HEADS],
        ),
        "## Limits",
        f"Texts are read in windows of {scheme.max_length} tokens that overlap by {scheme.stride}: "
        "a relation or an argument between words farther apart is not found, nor one between "
        "types of entities and events that it never joined in train. Scores are no "
        "probabilities; how often they are right stands in `metrics.json`.",
        "## Where it comes from",
        _table(["", ""], [(k, _shown(v)) for k, v in lineage.items() if k != "f1"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _silences(sources: Sequence[Mapping[str, Any]]) -> str:
    """Return which source was no judge of which labels; nothing where all were of all."""
    said = []
    for source in sources:
        labels = source.get("silent_on", ())
        if labels:
            more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
            said.append(f"{source['name']} ({', '.join(labels[:_NAMED])}{more})")
    if not said:
        return ""
    return (
        "Labels that a source never has were neither learnt from it nor judged by it: "
        f"{'; '.join(said)}."
    )


def _few_examples(examples: Mapping[str, Mapping[str, int]]) -> str:
    few = [f"{label} ({n['train']})" for label, n in examples.items() if n["train"] < _FEW]
    if not few:
        return f"Every label has {_FEW} or more examples in train."
    return (
        f"Fewer than {_FEW} examples in train, so hardly learnt, and measured by chance: "
        f"{', '.join(few)}."
    )


def _f1(part: Mapping[str, Any]) -> str:
    return f"{part['f1']:.3f} ({part['support']})" if part["support"] else "not annotated"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def _table(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )
