"""The project's own files agree with each other, and with what they promise."""

import re
import subprocess
import tomllib

import yaml

from pax_assets.settings import Settings
from pax_assets_tests.conftest import PROJECT


def wanted_packages() -> set[str]:
    """What pyproject.toml asks for, without the extras of a package."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = set(project["dependencies"])
    wanted |= {name for extra in project["optional-dependencies"].values() for name in extra}
    return {name.partition("[")[0] for name in wanted}


def test_every_dependency_is_pinned_exactly() -> None:
    wanted = wanted_packages()
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert {name for name in wanted if name.lower().replace("_", "-") not in pinned} == set()
    assert [line for line in lines if line and not line.startswith("#") and "==" not in line] == []


def test_every_dependency_has_its_reason() -> None:
    wanted = wanted_packages()
    reasons = (PROJECT / "docs/decisions/0001-dependencies.md").read_text()
    assert {name for name in wanted if not re.search(rf"\b{re.escape(name)}\b", reasons)} == set()


def test_the_readme_lists_every_setting() -> None:
    readme = (PROJECT / "README.md").read_text()
    missing = [f"PAX_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in missing if name not in readme] == []


def test_the_instance_has_freshness_monitoring_and_retries_and_no_telemetry() -> None:
    instance = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert instance["freshness"]["enabled"]
    assert instance["run_monitoring"]["enabled"]
    assert instance["run_retries"]["enabled"]
    assert not instance["telemetry"]["enabled"]
    assert not instance["nux"]["enabled"]


def test_the_code_location_has_one_name() -> None:
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    tool = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]
    (location,) = workspace["load_from"]
    assert location["python_module"]["location_name"] == tool["dg"]["project"]["code_location_name"]


def test_every_module_says_why_it_exists() -> None:
    files = subprocess.run(
        ["git", "ls-files", "pax_assets/*.py", "bentos/*.py"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert files
    silent = [
        file
        for file in files
        if (text := (PROJECT / file).read_text().strip()) and not text.startswith('"""')
    ]
    assert silent == []
