"""The channel assets as Dagster runs them: counts, checks and data versions of a day."""

from pathlib import Path

import dagster as dg
import pytest

from pax_assets.defs.channels.assets import raw_email, raw_sms, raw_whatsapp
from pax_assets.defs.resources import LakeResource, SparkResource
from pax_assets.jobs.rows import parsing
from pax_assets.lake import commit, read
from pax_assets_tests.landing_objects import DAYS, land, line, reaction_payload

ASSETS = [raw_sms, raw_whatsapp, raw_email]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def materialize(spark, lake, landing):
    """Materialize a channel's day; the instance lasts for the test."""
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {
            "lake": LakeResource(root=lake, landing=str(landing)),
            "spark": SparkResource(),
        }

        def _materialize(key: str = "raw_sms", day: str = DAYS[0]) -> dg.ExecuteInProcessResult:
            return dg.materialize(
                ASSETS,
                selection=[key],
                partition_key=day,
                resources=resources,
                instance=instance,
                raise_on_error=False,
            )

        yield _materialize


def materialization(result: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    (event,) = (e for e in result.all_events if e.is_step_materialization)
    return event.materialization


def metadata(result: dg.ExecuteInProcessResult) -> dict:
    return {key: value.value for key, value in materialization(result).metadata.items()}


def data_version(result: dg.ExecuteInProcessResult) -> str:
    return materialization(result).tags["dagster/data_version"]


def test_a_day_shows_its_outcomes_and_passes_its_check(materialize, landing):
    objects = [line("a", "a secret text"), line("a"), "{broken", reaction_payload("wamid.1")]
    land(landing, f"whatsapp/{DAYS[0]}/a.jsonl", objects)
    result = materialize("raw_whatsapp")
    assert result.success
    shown = metadata(result)
    counts = ("records", "messages", "duplicates", "channel_events", "quarantined")
    assert [shown[name] for name in counts] == [5, 2, 1, 1, 1]
    assert shown["dagster/row_count"] == 3
    assert f"whatsapp/{DAYS[0]}/a.jsonl" in shown["outcomes_by_object"]
    assert "secret" not in str(shown)
    judged = [(c.check_name, c.passed, c.blocking) for c in result.get_asset_check_evaluations()]
    assert judged == [
        ("records_reconcile", True, True),
        ("objects_readable", True, False),
        ("volume_as_usual", True, False),
        ("quarantine_share", False, False),
        ("duplicates_agree", False, False),
    ]


def test_the_same_day_again_has_the_same_data_version(materialize, landing):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a")])
    first = data_version(materialize())
    assert data_version(materialize()) == first
    land(landing, f"sms/{DAYS[0]}/b.jsonl", [line("b")])
    assert data_version(materialize()) != first


def test_an_event_that_is_no_message_leaves_the_data_version_as_it_is(materialize, landing):
    land(landing, f"whatsapp/{DAYS[0]}/a.json", [reaction_payload("wamid.1")])
    first = data_version(materialize("raw_whatsapp"))
    status = reaction_payload("wamid.1").replace('"messages"', '"statuses"')
    land(landing, f"whatsapp/{DAYS[0]}/b.json", [status, "{broken"])
    result = materialize("raw_whatsapp")
    assert metadata(result)["objects"] == 2
    assert data_version(result) == first


def test_a_duplicate_with_another_text_is_a_warning_that_says_where(materialize, landing):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a", "a secret text")])
    materialize(day=DAYS[0])
    land(landing, f"sms/{DAYS[1]}/b.jsonl", [line("b"), line("a", "another secret text")])
    result = materialize(day=DAYS[1])
    assert result.success
    check = result.get_asset_check_evaluations()[-1]
    assert (check.check_name, check.passed) == ("duplicates_agree", False)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "1 of them with another text" in check.description
    assert check.metadata["duplicates_with_other_content"].value == 1
    shown = check.metadata["for_example"].value
    assert f"sms/{DAYS[1]}/b.jsonl | line 2 | sms/{DAYS[0]}/a.jsonl | line 1" in shown
    assert "secret" not in str(check)


def test_a_lost_row_fails_the_blocking_check_and_names_the_object(materialize, landing, lake):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a"), line("b")])
    materialize()
    kept = read(lake, "raw_sms").slice(1)
    commit.replace(lake, "raw_sms", kept, {"arrival_day": DAYS[0]})
    check, *_ = materialize().get_asset_check_evaluations()
    assert not check.passed
    assert f"sms/{DAYS[0]}/a.jsonl" in check.metadata["wrong_objects"].value


def test_a_day_on_which_nothing_landed_is_materialized_empty(materialize):
    result = materialize("raw_email")
    assert result.success
    assert metadata(result)["dagster/row_count"] == 0


def test_an_object_that_cannot_be_opened_is_named_and_blocks_nothing(
    materialize, landing, monkeypatch
):
    land(landing, f"sms/{DAYS[0]}/a.jsonl", [line("a")])
    land(landing, f"sms/{DAYS[0]}/b.jsonl", [line("b")])
    opened = parsing.open_object

    def refuse(root, path):
        if path.endswith("a.jsonl"):
            raise PermissionError(path)
        return opened(root, path)

    monkeypatch.setattr(parsing, "open_object", refuse)
    result = materialize()
    assert result.success
    assert metadata(result)["dagster/row_count"] == 1
    reconcile, readable, *_ = result.get_asset_check_evaluations()
    assert reconcile.passed
    assert not readable.passed
    assert f"sms/{DAYS[0]}/a.jsonl" in readable.metadata["unreadable_objects"].value
