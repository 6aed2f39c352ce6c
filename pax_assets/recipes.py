"""What a training is told, read from TOML and checked without loading torch.

A wrong hyperparameter must be named before a training starts, by a process that never imports
torch; and whoever found a good one in a sweep must be able to say "that one". So there is one
shape for both: a name, an encoder, and a value for every field of `training.recipe.Recipe`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pax_assets.settings import Settings
from pax_assets.training.encoder import is_missing_folder
from pax_assets.training.recipe import Recipe

Value = int | float | bool
EXAMPLE = Path(__file__).parent / "sample" / "sweep.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


class RecipeError(ValueError):
    """A file of recipes that cannot be used; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A named recipe: the encoder, and every hyperparameter by its name."""

    name: str
    encoder: str
    values: Mapping[str, Value]

    @property
    def key(self) -> str:
        """Name and content: a configuration that was changed is another one."""
        content = json.dumps(self.parameters, sort_keys=True)
        return f"{self.name}@{sha256(content.encode()).hexdigest()[:8]}"

    @property
    def parameters(self) -> dict[str, str | Value]:
        """Encoder and hyperparameters, as they are logged."""
        return {"encoder": self.encoder, **self.values}

    @property
    def arguments(self) -> list[str]:
        """The command line of `pax_assets.training.train` that says the same."""
        given = [f"--encoder={self.encoder}"]
        for name, value in self.values.items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                given.append(f"--{option}" if value else f"--no-{option}")
            else:
                given.append(f"--{option}={value}")
        return given


def configured_recipe(settings: Settings) -> Configuration:
    """Return what `message_model` is trained by.

    Without `PAX_RECIPE` it is the recipe's defaults with `PAX_ENCODER`, `PAX_EPOCHS` and
    `PAX_SEED`. A file, or a configuration of the sweep, overrides what it mentions.
    Raises `RecipeError`.
    """
    chosen = settings.recipe
    if not chosen:
        return _configuration("default", {}, settings, Path())
    if not chosen.endswith(".toml"):
        return _from_sweep(chosen, settings)
    path = Path(chosen)
    return _configuration(path.stem, _read(path), settings, path)


def sweep_file(settings: Settings) -> Path:
    """Return the file that declares the sweep: `PAX_SWEEP`, or the example that PAX ships."""
    return Path(settings.sweep) if settings.sweep else EXAMPLE


def read_sweep(settings: Settings) -> list[Configuration]:
    """Return the sweep's configurations, in the file's order.

    `[configurations.<name>]` says what a configuration does other than `[base]`, and that what
    it does other than `configured_recipe` without `PAX_RECIPE`. Raises `RecipeError`.
    """
    path = sweep_file(settings)
    declared = _read(path)
    for name in declared:
        if name not in {"base", "configurations"}:
            raise RecipeError(
                f"{path}: {name!r} is unknown here; a sweep has the tables [base] and "
                "[configurations.<name>]"
            )
    tables = declared.get("configurations")
    base = declared.get("base", {})
    if not isinstance(tables, dict) or not tables:
        raise RecipeError(f"{path} declares no configuration: add [configurations.<name>]")
    for name, table in {"base": base, **tables}.items():
        if not isinstance(table, dict):
            raise RecipeError(f"{path}: {name!r} is no table: write [configurations.{name}]")
    for name in tables:
        if not _NAME.fullmatch(name):
            raise RecipeError(
                f"{path}: {name!r} is no name of a configuration: up to 64 letters, digits, "
                "dots, hyphens and underscores"
            )
    found = [
        _configuration(name, {**base, **table}, settings, path) for name, table in tables.items()
    ]
    twins: dict[str, str] = {}
    for one in found:
        content = json.dumps(one.parameters, sort_keys=True)
        if content in twins:
            raise RecipeError(f"{path}: {twins[content]!r} and {one.name!r} are the same recipe")
        twins[content] = one.name
    return found


def _from_sweep(name: str, settings: Settings) -> Configuration:
    found = {one.name: one for one in read_sweep(settings)}
    if name not in found:
        raise RecipeError(
            f"PAX_RECIPE is {name!r}, and {sweep_file(settings)} declares {', '.join(found)}: "
            "name one of them, or a .toml file with a recipe"
        )
    return found[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RecipeError(f"{path} is no TOML in UTF-8: {error}") from None


def _configuration(
    name: str, given: Mapping[str, Any], settings: Settings, path: Path
) -> Configuration:
    encoder = given.get("encoder", settings.encoder)
    if not isinstance(encoder, str) or not encoder:
        raise RecipeError(f"{path}, {name}: encoder is {encoder!r}, expected a name or a folder")
    if "encoder" in given and (path.parent / encoder).is_dir():
        encoder = str((path.parent / encoder).resolve())
    if is_missing_folder(encoder):
        said = f"{path}, {name}: encoder" if "encoder" in given else "PAX_ENCODER"
        raise RecipeError(f"{said} is {encoder!r}, which is no folder")
    defaults = Recipe().to_dict()
    values = {**defaults, "epochs": settings.epochs, "seed": settings.seed}
    for field, value in given.items():
        if field == "encoder":
            continue
        if field not in defaults:
            raise RecipeError(
                f"{path}, {name}: unknown field {field!r}; a recipe has encoder, "
                f"{', '.join(sorted(defaults))}"
            )
        values[field] = _checked(value, type(defaults[field]), f"{path}, {name}: {field}")
    try:
        Recipe(**values)  # pyright: ignore[reportArgumentType] - of the defaults' types
    except ValueError as error:
        raise RecipeError(f"{path}, {name}: {error}") from None
    return Configuration(name, encoder, values)


def _checked(value: object, wanted: type, where: str) -> Value:
    words = _WORDS[wanted]
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise RecipeError(f"{where} is {value!r}, expected {words}")
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise RecipeError(f"{where} is {value!r}, expected {words} that is finite")
    return value  # pyright: ignore[reportReturnType] - the type was just compared
