"""Under test: the page that a model's evaluation makes, and that it tells no words."""

from __future__ import annotations

from pax_assets.defs.model.evaluation_page import evaluation_page
from pax_assets.nlp.breakdown import breakdown
from pax_assets.nlp.documents import Analysis, Document, Entity, FoundEntity

TEXT = "Anna pays Ben"
GOLD = Document(
    "m1",
    TEXT,
    ("entities",),
    (Entity("a", 0, 4, "person"), Entity("b", 10, 13, "person")),
    channel="sms",
)


def test_the_page_shows_parts_calibration_and_errors() -> None:
    found = Analysis((FoundEntity("e1", "org", "Anna", 0, 4, 0.93),), (), ())
    page = evaluation_page(breakdown([GOLD], [found]))
    assert "| sms | 1 | 0.000 (2) | none | none | none |" in page
    assert "entity: expected calibration error 0.930" in page
    assert "relation: nothing was found." in page
    assert "| m1 | 0 to 4 | type | person | org |" in page
    assert "| m1 | 10 to 13 | missed | person | nothing |" in page
    assert "### Errors (2 in all)" in page
    assert "Anna" not in page


def test_a_model_without_errors_says_so() -> None:
    right = tuple(
        FoundEntity(e.id, e.type, TEXT[e.start : e.end], e.start, e.end, 0.9) for e in GOLD.entities
    )
    assert "None." in evaluation_page(breakdown([GOLD], [Analysis(right, (), ())]))
