"""Recipes and sweeps from TOML: what they mean, and how a wrong one is named, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from pax_assets.recipes import (
    EXAMPLE,
    RecipeError,
    configured_recipe,
    read_sweep,
)
from pax_assets.settings import load_settings
from pax_assets.training.recipe import Recipe


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file and make a variable name it."""

    def written(variable: str, text: str) -> Path:
        file = tmp_path / f"{variable.lower()}.toml"
        file.write_text(text)
        monkeypatch.setenv(variable, str(file))
        return file

    return written


def test_nobody_who_reads_a_recipe_loads_torch() -> None:
    program = (
        "import sys; from pax_assets.recipes import *; from pax_assets.settings import *\n"
        "configured_recipe(load_settings()); read_sweep(load_settings())\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_a_recipe_the_settings_decide(monkeypatch) -> None:
    monkeypatch.setenv("PAX_EPOCHS", "3")
    monkeypatch.setenv("PAX_ENCODER", "prajjwal1/bert-tiny")
    recipe = configured_recipe(load_settings())
    assert (recipe.encoder, recipe.values["epochs"]) == ("prajjwal1/bert-tiny", 3)
    assert recipe.values["batch_tokens"] == Recipe().batch_tokens


def test_every_field_becomes_an_argument_that_training_understands(write) -> None:
    from pax_assets.training.train import parser

    write("PAX_RECIPE", "freeze_embeddings = false\nclip = 2\nepochs = 4\nhidden_tokens = 0.1\n")
    recipe = configured_recipe(load_settings())
    options = parser().parse_args(["--dataset=d", "--output=o", *recipe.arguments])
    assert {name: getattr(options, name) for name in recipe.values} == dict(recipe.values)
    assert options.freeze_embeddings is False
    assert (options.clip, options.epochs) == (2.0, 4)


def test_an_encoder_beside_the_file_is_meant_by_its_name_there(write, tmp_path) -> None:
    (tmp_path / "bert").mkdir()
    write("PAX_RECIPE", 'encoder = "bert"\n')
    assert configured_recipe(load_settings()).encoder == str(tmp_path / "bert")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch = 3", "unknown field 'epoch'"),
        ("epochs = 3.0", "epochs is 3.0, expected a whole number"),
        ("epochs = true", "epochs is True, expected a whole number"),
        ('encoder_rate = "fast"', "encoder_rate is 'fast', expected a number"),
        ("encoder_rate = nan", "finite"),
        ("freeze_embeddings = 1", "freeze_embeddings is 1, expected true or false"),
        ("epochs = 0", "epochs is 0, expected 1 or more"),
        ("hidden_tokens = 1.0", "hidden_tokens is 1.0, expected at least 0 and under 1"),
        ("trigger_weight = -1", "trigger_weight is -1.0, expected 0 or more"),
        ("seed = -1", "seed is -1, expected 0 or more"),
        ("clip = 0", "clip is 0.0, expected more than 0"),
        ("epochs = 100000000", "epochs is 100000000, expected at most 1000"),
        ('encoder = "/no/such/folder"', "encoder is '/no/such/folder', which is no folder"),
        ("encoder = 3", "encoder is 3"),
        ("epochs 3", "no TOML"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(write, text, sentence) -> None:
    file = write("PAX_RECIPE", text)
    with pytest.raises(RecipeError, match=sentence) as error:
        configured_recipe(load_settings())
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "declares no configuration"),
        ("[configurations]", "declares no configuration"),
        ("[configuration.a]", "'configuration' is unknown here"),
        ("[configurations.a]\nrate = 1", "a: unknown field 'rate'"),
        ("[base]\nrate = 1\n[configurations.a]", "a: unknown field 'rate'"),
        ("configurations.a = 3", "'a' is no table"),
        ('[configurations."a b"]', "'a b' is no name"),
        ("[configurations.a]\n[configurations.b]", "'a' and 'b' are the same recipe"),
    ],
)
def test_a_wrong_sweep_is_named_with_its_file(write, text, sentence) -> None:
    file = write("PAX_SWEEP", text)
    with pytest.raises(RecipeError, match=sentence) as error:
        read_sweep(load_settings())
    assert str(file) in str(error.value)


def test_a_file_that_is_not_there_is_named(monkeypatch) -> None:
    monkeypatch.setenv("PAX_SWEEP", "/nowhere/sweep.toml")
    with pytest.raises(RecipeError, match=r"/nowhere/sweep\.toml cannot be read: No such file"):
        read_sweep(load_settings())


def test_a_configuration_overrides_the_base_which_overrides_the_settings(
    write, monkeypatch
) -> None:
    monkeypatch.setenv("PAX_EPOCHS", "9")
    monkeypatch.setenv("PAX_SEED", "5")
    write("PAX_SWEEP", "[base]\nepochs = 3\n[configurations.a]\n[configurations.b]\nepochs = 4\n")
    a, b = read_sweep(load_settings())
    assert (a.values["epochs"], b.values["epochs"], a.values["seed"]) == (3, 4, 5)


def test_a_changed_configuration_has_another_key_and_the_others_keep_theirs(write) -> None:
    text = "[configurations.a]\nepochs = 3\n[configurations.b]\nepochs = 4\n"
    write("PAX_SWEEP", text)
    before = [one.key for one in read_sweep(load_settings())]
    write("PAX_SWEEP", text.replace("4", "5"))
    after = [one.key for one in read_sweep(load_settings())]
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert after[1].startswith("b@")


def test_the_best_of_a_sweep_is_used_by_its_name(write, monkeypatch) -> None:
    write("PAX_SWEEP", "[configurations.a]\n[configurations.b]\nhidden_tokens = 0.2\n")
    monkeypatch.setenv("PAX_RECIPE", "b")
    recipe = configured_recipe(load_settings())
    assert recipe.key == read_sweep(load_settings())[1].key
    monkeypatch.setenv("PAX_RECIPE", "c")
    with pytest.raises(RecipeError, match=r"PAX_RECIPE is 'c'.*declares a, b"):
        configured_recipe(load_settings())


def test_the_shipped_example_is_a_sweep() -> None:
    assert EXAMPLE.is_file()
    assert len(read_sweep(load_settings())) == 3
