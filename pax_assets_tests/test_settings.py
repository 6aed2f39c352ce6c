"""Settings are read once, and a wrong one is named with what to do."""

import pytest

from pax_assets.settings import SettingsError, load_settings


def test_a_blank_variable_counts_as_unset(monkeypatch) -> None:
    monkeypatch.setenv("PAX_API_PORT", "")
    monkeypatch.setenv("PAX_LANDING", "")
    assert load_settings().api_port == 3001
    assert load_settings().landing is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAX_ENV", "prod"),
        ("PAX_API_PORT", "http"),
        ("PAX_API_PORT", "70000"),
        ("PAX_EPOCHS", "0"),
        ("PAX_START_DATE", "yesterday"),
        ("PAX_SPARK", "yarn"),
        ("PAX_DEFAULT_REGION", "usa"),
        ("PAX_START_DATE", "2999-01-01"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(variable, value, monkeypatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as error:
        load_settings()
    assert value in str(error.value)


def test_two_wrong_values_are_both_named(monkeypatch) -> None:
    monkeypatch.setenv("PAX_ENV", "prod")
    monkeypatch.setenv("PAX_EPOCHS", "many")
    with pytest.raises(SettingsError, match=r"PAX_ENV[\s\S]*PAX_EPOCHS"):
        load_settings()


def test_a_relative_lake_does_not_move_with_the_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAX_LAKE", "here/lake")
    settings = load_settings()
    monkeypatch.chdir("/")
    assert settings.lake == str(tmp_path / "here" / "lake")
    assert settings.landing_root == f"{settings.lake}/landing"


def test_production_refuses_a_lake_on_one_machine(monkeypatch) -> None:
    monkeypatch.setenv("PAX_ENV", "production")
    monkeypatch.setenv("PAX_LAKE", "/somewhere")
    with pytest.raises(SettingsError, match="s3://"):
        load_settings()
