"""docs/labels.md is true: its example is read as it stands, and its table names what there is."""

from __future__ import annotations

import re

from pax_assets.corpora.configuration import FORMATS, read_sources
from pax_assets_tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "labels.md").read_text()


def test_the_example_declares_two_sources(tmp_path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "labels.toml"
    file.write_text(block)
    tweets, export = read_sources(file)
    assert (tweets.name, tweets.layers, tweets.options) == (
        "tweets",
        ("entities",),
        {"tagging": "iob2"},
    )
    assert [split for _, split in tweets.parts] == ["train", "dev", "test"]
    assert tweets.mappings["entities"]["creative-work"] == ""
    assert (export.name, export.options["events"]) == ("export", ["payment", "meeting"])


def test_the_table_names_every_format() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(FORMATS)
