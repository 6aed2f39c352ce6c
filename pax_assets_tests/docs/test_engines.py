"""The commands of docs/engines.md: run as they stand there, on a lake where they say it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pax_assets.settings import Settings
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.docs.pages import reports
from pax_assets_tests.landing_objects import DAYS, land, line

PAGE = (PROJECT / "docs" / "engines.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("lake")
    for day in DAYS[:2]:
        land(folder / "landing", f"sms/{day}/a.jsonl", [line(f"{day}-1"), line(f"{day}-2")])
    return str(folder)


def _reports(block: str, lake: str) -> list[dict]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    activated = f"{PROJECT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return reports(block, lake, kept, activated)


def test_in_python(lake) -> None:
    ingested, built = _reports(BLOCKS[0], lake)
    assert (ingested["ingested"], built["rows"]) == (1, 2)


@pytest.mark.jvm
@pytest.mark.timeout(600)
def test_by_spark_submit(lake) -> None:
    _reports(BLOCKS[0], lake)
    ingested, built = _reports(BLOCKS[1], lake)
    assert (ingested["ingested"], built["rows"]) == (1, 2)


def test_the_page_names_no_setting_that_does_not_exist() -> None:
    named = set(re.findall(r"PAX_[A-Z_]+", PAGE))
    assert named <= {f"PAX_{name.upper()}" for name in Settings.model_fields}


def test_the_page_names_every_target() -> None:
    targets = Settings.model_fields["spark_target"].annotation.__args__
    assert set(re.findall(r"^\| `([a-z-]+)`", PAGE, re.MULTILINE)) >= set(targets)


def test_the_page_names_every_job_that_an_asset_runs() -> None:
    sources = [file.read_text() for file in (PROJECT / "pax_assets" / "defs").rglob("*.py")]
    sent = set(re.findall(r'spark\.run\(\s*context, "([a-z_.]+)"', "".join(sources)))
    assert len(sent) > 4
    assert {f"{job.replace('.', '/')}.py" for job in sent} <= set(
        re.findall(r"^\| `(pax_assets/jobs/[a-z_]+\.py)`", PAGE, re.MULTILINE)
    )


def test_files_that_the_page_names_are_there() -> None:
    for path in re.findall(r"(?:pax_assets|deploy)/[a-z_/]+\.py", PAGE):
        assert (Path(PROJECT) / path).exists(), path
