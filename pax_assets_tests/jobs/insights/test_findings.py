"""Under test: analyses as rows."""

import pyarrow as pa

from pax_assets.jobs.insights.findings import flat, nested
from pax_assets.jobs.insights.insight_tables import ENTITIES
from pax_assets.nlp.documents import Analysis, FoundEntity


def test_a_row_says_which_rule_found_the_entity_and_its_value():
    analysis = Analysis(
        (
            FoundEntity("e1", "person", "Anna", 0, 4, 0.9),
            FoundEntity("e2", "phone_number", "0151", 5, 9, 0.9, "+49151", "phone_national"),
        )
    )
    rows = flat(pa.Table.from_batches([nested(["m1"], ["h1"], [analysis])]))[ENTITIES]
    assert rows.select(["entity_id", "value", "recognizer"]).to_pylist() == [
        {"entity_id": "e1", "value": None, "recognizer": None},
        {"entity_id": "e2", "value": "+49151", "recognizer": "phone_national"},
    ]
