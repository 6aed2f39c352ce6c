"""What an erasure says to a person whose identity, lake or landing folder cannot be used."""

import subprocess
import sys

import pytest

from pax_assets.jobs.erasing.subjects import NotAnIdentity
from pax_assets.lake import erase
from pax_assets.lake.reading import NoSuchLake
from pax_assets_tests.conftest import PROJECT
from pax_assets_tests.landing_objects import DAYS, land, line

GOOD = "+15550100001"


@pytest.fixture
def landing(tmp_path) -> str:
    land(tmp_path / "landing", f"sms/{DAYS[0]}/a.jsonl", [line("1")])
    return str(tmp_path / "landing")


@pytest.mark.parametrize(
    "unusable", ["hello", "", "12", "ada@", None, 15550100001, b"ada@x.org", "ada@\ud800.org"]
)
def test_an_unusable_identity_is_counted_and_not_repeated(lake, landing, unusable) -> None:
    with pytest.raises(NotAnIdentity, match=r"^identity 2 of 2: .*write it as one") as caught:
        erase(lake, landing, [GOOD, unusable])
    assert caught.value.__suppress_context__
    for told in ("hello", "ada@x", "15550100001"):
        assert told not in str(caught.value)


def test_one_identity_needs_no_list(lake, landing) -> None:
    assert erase(lake, landing, GOOD, dry_run=True).identities == 1


def test_a_lake_that_is_not_there_is_not_said_to_hold_nothing(tmp_path, landing) -> None:
    with pytest.raises(NoSuchLake, match="lak"):
        erase(str(tmp_path / "lak"), landing, [GOOD])
    assert not (tmp_path / "lak").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"identity": "hello@"}, "identity 1 of 1: an identity to be erased is neither"),
        ({"lake": "/no/such/lake"}, "there is no lake in the folder '/no/such/lake'"),
        ({"landing": "/no/such/landing"}, "there is no landing folder /no/such/landing"),
    ],
)
def test_by_hand_it_is_a_sentence_and_no_traceback(lake, landing, changed, said) -> None:
    given = {"lake": lake, "landing": landing, "identity": GOOD} | changed
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pax_assets.jobs.erasure",
            "--erase",
            *(f"--{name}={value}" for name, value in given.items()),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith(f"pax erase: {said}")
    assert done.stderr.rstrip().endswith(("nothing was erased", "nothing was done"))
    assert "Traceback" not in done.stderr
    assert "hello" not in done.stderr
