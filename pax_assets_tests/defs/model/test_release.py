"""The champion stays unless the challenger holds every head."""

import pytest

from pax_assets.defs.model.release import QUALITY_FLOOR, regressions, under_the_floor

CHAMPION = {"entity": 0.90, "event": 0.80, "relation": 0.70}


@pytest.mark.parametrize(
    ("challenger", "heads"),
    [
        ({}, []),
        ({"entity": 0.95}, []),
        ({"entity": 0.8951}, []),
        ({"entity": 0.8949}, ["entity"]),
        ({"entity": 0.99, "relation": 0.60}, ["relation"]),
        ({"entity": 0.0, "event": 0.0, "relation": 0.0}, list(CHAMPION)),
    ],
)
def test_half_a_point_is_the_most_that_a_head_may_lose(challenger, heads) -> None:
    found = regressions(CHAMPION, CHAMPION | challenger)
    assert [sentence.split()[0] for sentence in found] == heads


def test_a_model_under_its_floor_is_no_candidate() -> None:
    good = dict.fromkeys(QUALITY_FLOOR, 0.9)
    assert under_the_floor(good) == []
    assert "relation" in under_the_floor(good | {"relation": 0.1})[0]
