"""docs/models.md is true: its recipe and its sweep are read as they stand, its commands exist."""

from __future__ import annotations

import re

from pax_assets.recipes import configured_recipe, read_sweep
from pax_assets.settings import load_settings
from pax_assets_tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "models.md").read_text()
RECIPE, SWEEP = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_recipe_is_one(tmp_path, monkeypatch) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE)
    monkeypatch.setenv("PAX_RECIPE", str(file))
    recipe = configured_recipe(load_settings())
    assert (recipe.values["epochs"], recipe.values["hidden_tokens"]) == (8, 0.1)


def test_the_sweep_is_one_and_its_best_can_be_named(tmp_path, monkeypatch) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP)
    monkeypatch.setenv("PAX_SWEEP", str(file))
    assert [one.name for one in read_sweep(load_settings())] == ["plain", "hidden", "roberta"]
    named = re.findall(r"`PAX_RECIPE=(\w+)`", PAGE)
    for name in named:
        monkeypatch.setenv("PAX_RECIPE", name)
        assert configured_recipe(load_settings()).name == name
    assert named


def test_every_command_is_a_target_of_make() -> None:
    targets = re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)", PAGE)) <= set(targets)
