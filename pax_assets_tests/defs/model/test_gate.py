"""A challenger must be better, and may not pay for it with a score."""

import pytest

from pax_assets.defs.model.gate import (
    QUALITY_FLOOR,
    SCORES,
    Challenger,
    overall,
    regressions,
    under_the_floor,
)
from pax_assets.defs.model.gate import _why_refused as why_refused
from pax_assets.lake.releases import Release

CHAMPION = {"entity": 0.90, "event": 0.80, "argument": 0.75, "relation": 0.70}
ALL = dict.fromkeys(SCORES, 100)


GOOD = dict.fromkeys(QUALITY_FLOOR, 0.9)


def _challenger(model: str = "new", onnx: str = "o2", **scores: float) -> Challenger:
    return Challenger(model, onnx, "fp32", "d", CHAMPION | scores, test=GOOD)


def _release(model: str = "old", onnx: str = "o1") -> Release:
    return Release(model, onnx, "fp32", "d", CHAMPION, number=4, why="wrong dates")


@pytest.mark.parametrize(
    ("challenger", "scores"),
    [
        ({}, []),
        ({"entity": 0.95}, []),
        ({"entity": 0.895}, []),  # half a point to the digit, which floats do not hold
        ({"entity": 0.8951}, []),
        ({"entity": 0.8949}, ["entity"]),
        ({"argument": 0.70}, ["argument"]),
        ({"entity": 0.99, "relation": 0.60}, ["relation"]),
        (dict.fromkeys(SCORES, 0.0), list(SCORES)),
    ],
)
def test_half_a_point_is_the_most_that_a_score_may_lose(challenger, scores) -> None:
    found = regressions(CHAMPION, CHAMPION | challenger)
    assert [sentence.split()[0] for sentence in found] == scores


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"entity": 0.91}, None),
        ({"entity": 0.92, "relation": 0.697}, None),
        ({"entity": 0.902, "relation": 0.696}, "mean"),
        ({"entity": 0.899}, "mean"),
        ({}, "mean"),
        ({"entity": 0.99, "event": 0.79}, "event F1 falls by 1.00 points"),
    ],
)
def test_the_mean_must_rise_as_well(scores, reason) -> None:
    refused = why_refused(_challenger(**scores), _release(), CHAMPION, ALL, {})
    assert [reason in sentence for sentence in refused] == ([True] if reason else [])


def test_what_the_dev_set_does_not_annotate_does_not_count() -> None:
    assert overall({**CHAMPION, "relation": 0.0}, ALL | {"relation": 0}) == pytest.approx(2.45 / 3)
    assert overall(CHAMPION, dict.fromkeys(SCORES, 0)) == 0.0


def test_the_same_weights_exported_anew_need_not_be_better() -> None:
    anew = _challenger("old", entity=0.897)
    assert why_refused(anew, _release(), CHAMPION, ALL, {}) == []
    assert why_refused(_challenger("old", entity=0.8), _release(), CHAMPION, ALL, {})


def test_a_withdrawn_model_is_refused_until_it_is_named() -> None:
    left = {"new": _release()}
    better = _challenger(entity=0.99)
    (sentence,) = why_refused(better, _release(), CHAMPION, ALL, left)
    assert "withdrawn by release 4" in sentence
    assert "wrong dates" in sentence
    named = Challenger("new", "o2", "fp32", "d", better.metrics, test=GOOD, named=True)
    assert why_refused(named, _release(), CHAMPION, ALL, left) == []


def test_a_model_under_its_floor_is_no_candidate() -> None:
    assert under_the_floor(GOOD) == []
    assert under_the_floor({"entity": GOOD["entity"]}) == []  # nothing else was annotated
    assert "relation" in under_the_floor(GOOD | {"relation": 0.1})[0]


def test_a_model_that_no_head_of_was_judged_on_test_is_no_candidate() -> None:
    assert "no head was judged on test" in under_the_floor({})[0]
