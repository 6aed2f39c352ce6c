"""Under test: what no training can be told is refused before it starts."""

from __future__ import annotations

import pytest

from pax_assets.training.recipe import Recipe


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"epochs": 0}, "epochs is 0, expected 1 or more"),
        ({"accumulate": 0}, "accumulate is 0, expected 1 or more"),
        ({"patience": -1}, "patience is -1, expected 0 or more"),
        ({"encoder_dropout": 1.0}, "encoder_dropout is 1.0, expected at least 0 and under 1"),
        ({"clip": float("nan")}, "clip is nan, expected more than 0"),
    ],
)
def test_numbers_that_make_no_recipe_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recipe(**wrong)


def test_the_command_line_says_which_option_is_wrong(capsys: pytest.CaptureFixture[str]):
    from pax_assets.training.train import main

    with pytest.raises(SystemExit):
        main(["--dataset=d", "--output=o", "--hidden-tokens=2"])
    assert "hidden_tokens is 2.0, expected at least 0 and under 1" in capsys.readouterr().err
