"""The job `erase_subject`: counts first, erases when told to, and tells nobody whom."""

import dagster as dg
import pytest

from pax_assets.defs.maintenance.erasure import erase_subject
from pax_assets.defs.resources import LakeResource
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import read
from pax_assets_tests.landing_objects import DAYS, NOW, land, line


@pytest.mark.parametrize("by_file", [False, True])
def test_a_person_is_counted_then_erased_and_not_named(lake, tmp_path, by_file):
    landing = tmp_path / "landing"
    hers = line("1", "calculus", **{"from": "+15550100009"})
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [hers, line("2")])
    ingest(lake, str(landing), "sms", DAYS[0], NOW)
    file = tmp_path / "whom"
    file.write_text("+1 555 010 0009\n")
    whom = {"identities_file": str(file)} if by_file else {"identities": ["+15550100009"]}

    def start(**more) -> str:
        result = erase_subject.execute_in_process(
            run_config={"ops": {"erase_person": {"config": whom | more}}},
            resources={"lake": LakeResource(root=lake, landing=str(landing))},
        )
        (seen,) = (
            event.asset_observation_data.asset_observation
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
        )
        assert "0100009" not in str(result.all_events).replace(" ", "")
        assert "calculus" not in str(result.all_events)
        return seen.description

    assert start() == "1 messages would be erased (dry run)"
    assert read(lake, "raw_sms").num_rows == 2
    assert start(dry_run=False) == "1 messages erased"
    assert read(lake, "raw_sms").num_rows == 1
    assert start(dry_run=False) == "0 messages erased"


@pytest.mark.parametrize(
    ("whom", "said"),
    [
        ({}, "no identity was named: name at least one; nothing was erased"),
        ({"identities": ["+15550100009", "calculus"]}, r"identity 2 of 2: .* nothing was erased"),
        ({"identities_file": "no/such/file"}, r"'no/such/file' cannot be read \(FileNotFound"),
    ],
)
def test_nobody_that_can_be_erased_is_an_error_for_people(lake, tmp_path, whom, said):
    with pytest.raises(dg.Failure, match=said) as caught:
        erase_subject.execute_in_process(
            resources={"lake": LakeResource(root=lake, landing=str(tmp_path))},
            run_config={"ops": {"erase_person": {"config": whom}}},
        )
    assert "calculus" not in caught.value.description
    assert not caught.value.allow_retries
