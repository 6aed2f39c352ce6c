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


GLUE = {"PAX_SPARK_TARGET": "glue", "PAX_GLUE_JOB": "pax", "PAX_LAKE": "s3://bucket/lake"}
EMR = {
    "PAX_SPARK_TARGET": "emr-serverless",
    "PAX_EMR_APPLICATION": "00f",
    "PAX_EMR_ROLE": "arn:aws:iam::123456789012:role/pax",
    "PAX_SPARK_PACKAGE": "s3://bucket/pax/0.1.0",
    "PAX_LAKE": "s3://bucket/lake",
}


@pytest.mark.parametrize("given", [GLUE, EMR], ids=["glue", "emr-serverless"])
def test_jobs_on_a_service_need_what_reaches_it(given, monkeypatch) -> None:
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().pipes_root == "s3://bucket/lake/.pipes"
    for variable in given.keys() - {"PAX_SPARK_TARGET"}:
        with monkeypatch.context() as without:
            without.delenv(variable)
            with pytest.raises(SettingsError, match=variable):
                load_settings()


def test_a_service_cannot_reach_a_landing_folder_of_this_machine(monkeypatch) -> None:
    for variable, value in GLUE.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PAX_LANDING", "/somewhere")
    with pytest.raises(SettingsError, match=r"PAX_LANDING on S3.*/somewhere"):
        load_settings()


@pytest.mark.parametrize(
    ("target", "spark", "allowed"),
    [
        ("in-process", "local[2]", True),
        ("in-process", "sc://host:1", True),
        ("in-process", "spark://host:7077", False),
        ("spark-submit", "", True),
        ("spark-submit", "local[2]", True),
        ("spark-submit", "yarn", True),
        ("spark-submit", "spark://host:7077", True),
        ("spark-submit", "sc://host:1", False),
    ],
)
def test_each_way_to_run_jobs_has_its_masters(target, spark, allowed, monkeypatch) -> None:
    monkeypatch.setenv("PAX_SPARK_TARGET", target)
    monkeypatch.setenv("PAX_SPARK", spark)
    if allowed:
        assert load_settings().spark_target == target
    else:
        with pytest.raises(SettingsError, match="PAX_SPARK is"):
            load_settings()


@pytest.mark.parametrize("zone", ["Mars/X", "../etc/passwd", "/etc/localtime"])
def test_a_zone_that_does_not_exist_is_named(monkeypatch, zone):
    monkeypatch.setenv("PAX_DEFAULT_ZONE", zone)
    with pytest.raises(SettingsError, match=r"PAX_DEFAULT_ZONE.*IANA"):
        load_settings()


KUBERNETES = {
    "PAX_TRAIN_TARGET": "kubernetes",
    "PAX_TRAIN_IMAGE": "registry.example/pax-train:0.1.0",
    "PAX_PIPES": "s3://bucket/pipes",
}
SAGEMAKER = {
    **KUBERNETES,
    "PAX_TRAIN_TARGET": "sagemaker",
    "PAX_TRAIN_INSTANCE": "ml.g6.xlarge",
    "PAX_TRAIN_ROLE": "arn:aws:iam::123456789012:role/pax-training",
}


@pytest.mark.parametrize("given", [KUBERNETES, SAGEMAKER], ids=["kubernetes", "sagemaker"])
def test_trainings_elsewhere_need_what_reaches_them(given, monkeypatch) -> None:
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().train_target == given["PAX_TRAIN_TARGET"]
    for variable in given.keys() - {"PAX_TRAIN_TARGET"}:
        with monkeypatch.context() as without:
            without.delenv(variable)
            with pytest.raises(SettingsError, match=f"PAX_TRAIN_TARGET=.* needs {variable}"):
                load_settings()


@pytest.mark.parametrize(
    ("target", "variable", "value", "words"),
    [
        ("subprocess", "PAX_TRAIN_NODES", "2", "PAX_TRAIN_NODES is 2, and .* this machine alone"),
        ("subprocess", "PAX_TRAIN_OPTIONS", '{"gpu": ""}', "PAX_TRAIN_OPTIONS are for"),
        ("kubernetes", "PAX_TRAIN_SPOT", "true", "PAX_TRAIN_SPOT is SageMaker's"),
        ("kubernetes", "PAX_TRAIN_OPTIONS", "{gpu}", "PAX_TRAIN_OPTIONS: .*must be a JSON object"),
        ("kubernetes", "PAX_TRAIN_OPTIONS", "[1]", "PAX_TRAIN_OPTIONS"),
        ("kubernetes", "PAX_TRAIN_OPTIONS", '{"memory": "much"}', "PAX_TRAIN_OPTIONS: memory"),
        ("kubernetes", "PAX_TRAIN_OPTIONS", '{"gpus": 8}', "gpus: there is no such option here"),
        ("sagemaker", "PAX_TRAIN_OPTIONS", '{"subnets": ["a"]}', "security_groups go together"),
        ("sagemaker", "PAX_TRAIN_OPTIONS", '{"volume_gb": 0}', "PAX_TRAIN_OPTIONS: volume_gb"),
        ("slurm", "PAX_TRAIN_NODES", "1", "PAX_TRAIN_TARGET"),
    ],
)
def test_a_training_that_cannot_be_is_refused_by_name(
    target, variable, value, words, monkeypatch
) -> None:
    for name, given in SAGEMAKER.items():
        monkeypatch.setenv(name, given)
    monkeypatch.setenv("PAX_TRAIN_TARGET", target)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=words):
        load_settings()
