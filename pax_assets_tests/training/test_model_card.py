"""Under test: the model card, which goes wherever the weights go."""

from __future__ import annotations

import json
from pathlib import Path

from pax_assets.nlp.labels import LabelScheme
from pax_assets.training.model_card import model_card


def test_the_card_of_a_trained_model_says_from_what_and_how_good(toy_model: Path):
    card = (toy_model / "MODEL_CARD.md").read_text()
    metrics = json.loads((toy_model / "metrics.json").read_text())
    entity = metrics["test"]["entity"]
    assert f"{entity['f1']:.3f} ({entity['support']})" in card
    assert "| Entities | org, person, place, time |" in card
    assert "not stated" in card
    for section in ("Intended use", "Trained on", "Scores", "Limits", "Where it comes from"):
        assert f"\n## {section}\n" in card


def test_licences_and_odd_names_stand_in_the_tables():
    nothing = {
        head: {"f1": 0.0, "support": 0} for head in ("entity", "event", "argument", "relation")
    }
    dataset = {"sources": [{"name": "a|b", "licence": "MIT", "train": 3, "dev": 1, "test": 1}]}
    card = model_card(
        LabelScheme(("O",), ("O",), ("none",), ("none",)),
        dataset,
        {"dev": nothing, "test": nothing},
        {"seed": 13, "data_versions": {"messages": 4}, "f1": {}},
    )
    assert "| a\\|b | MIT | 3 | 1 | 1 |" in card
    assert "| Relations | none |" in card
    assert "| entity | not annotated | not annotated |" in card
    assert "| data_versions | messages 4 |" in card


def test_labels_with_few_examples_are_named():
    nothing = {
        head: {"f1": 0.0, "support": 0} for head in ("entity", "event", "argument", "relation")
    }
    scheme = LabelScheme(("O",), ("O",), ("none",), ("none",))
    examples = {"entity person": {"train": 10}, "relation owns": {"train": 1}}
    card = model_card(scheme, {"examples": examples}, {"dev": nothing, "test": nothing}, {"f1": {}})
    assert "hardly learnt, and measured by chance: relation owns (1)." in card


def test_what_a_source_says_nothing_of_is_named():
    nothing = {
        head: {"f1": 0.0, "support": 0} for head in ("entity", "event", "argument", "relation")
    }
    scheme = LabelScheme(("O",), ("O",), ("none",), ("none",))
    source = {"licence": "MIT", "train": 3, "dev": 1, "test": 1}
    many = [f"relation r{number}" for number in range(12)]
    sources = [
        {"name": "tweets", **source, "silent_on": ["entity date"]},
        {"name": "mails", **source, "silent_on": []},
        {"name": "news", **source, "silent_on": many},
    ]
    card = model_card(scheme, {"sources": sources}, {"dev": nothing, "test": nothing}, {"f1": {}})
    assert "judged by it: tweets (entity date); news (relation r0, " in card
    assert "relation r7 and 4 more)." in card
    assert "mails (" not in card
