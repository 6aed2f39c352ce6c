"""What `pax_assets.lake.read` says to a person who asks for something that is not there."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pax_assets.lake import commit, read, reading, tables
from pax_assets.lake.reading import LakeUnreachable, NoSuchColumn, NoSuchLake, NoSuchVersion
from pax_assets.lake.schemas import QUARANTINE
from pax_assets_tests.s3_server import s3_client


def _put(lake: str) -> None:
    rows = [{"code": "no_text", "arrival_day": "2026-01-05"}]
    commit.append(lake, "quarantine", pa.Table.from_pylist(rows, schema=QUARANTINE))


def test_a_lake_that_is_not_there_is_named(tmp_path) -> None:
    nowhere = str(tmp_path / "lak")
    for table in ("messages", "no_table_of_pax"):
        with pytest.raises(NoSuchLake, match=r"there is no lake in the folder '.*/lak'.*PAX_LAKE"):
            read(nowhere, table)
    assert not (tmp_path / "lak").exists()


def test_a_table_that_was_never_built_is_empty_where_the_lake_is_there(lake) -> None:
    assert read(lake, "messages", ["message_id", "text"]).column_names == ["message_id", "text"]
    with pytest.raises(tables.UnknownTable, match="no_table_of_pax"):
        read(lake, "no_table_of_pax")


def test_the_code_of_assets_reads_tables_before_there_is_a_lake(tmp_path) -> None:
    assert tables.read(str(tmp_path / "lak"), "messages").num_rows == 0


@pytest.mark.parametrize("built", [False, True])
def test_a_column_that_the_table_does_not_have_is_named_with_those_it_has(lake, built) -> None:
    if built:
        _put(lake)
    with pytest.raises(NoSuchColumn, match=r"^quarantine has no column cod, day; it has .*code"):
        read(lake, "quarantine", ["cod", "reason", "day"])
    with pytest.raises(TypeError, match=r"list of names, such as \['code'\]"):
        read(lake, "quarantine", "code")


def test_a_column_of_the_filter_is_looked_for_too(lake) -> None:
    _put(lake)
    with pytest.raises(NoSuchColumn, match=r"^quarantine has no column day; it has .*arrival_day"):
        read(lake, "quarantine", ["code"], pc.field("day") == "2026-01-05")


@pytest.mark.parametrize("version", [-1, 2, 99])
def test_a_version_that_never_was_is_named_with_those_there_are(lake, version) -> None:
    _put(lake)
    newest = tables.version(lake, "quarantine")
    assert newest == 1
    with pytest.raises(NoSuchVersion, match=f"no version {version}; its versions are 0 to 1"):
        read(lake, "quarantine", version=version)


def test_a_version_of_a_table_that_was_never_built(lake) -> None:
    with pytest.raises(NoSuchVersion, match="messages has no version 3: it was never built"):
        read(lake, "messages", version=3)


def test_a_version_whose_files_are_gone_says_why(lake) -> None:
    _put(lake)
    commit.overwrite(lake, "quarantine", QUARANTINE.empty_table())
    snapshot = tables.open_table(lake, "quarantine")
    assert snapshot is not None
    snapshot.vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(NoSuchVersion, match=r"version 1 .* cannot be read any more.*the newest is"):
        read(lake, "quarantine", version=1)


def test_a_library_s_traceback_is_not_what_a_person_gets(lake) -> None:
    _put(lake)
    for asked in ({"columns": ["nope"]}, {"version": 9}):
        with pytest.raises(LookupError) as caught:
            read(lake, "quarantine", **asked)
        assert caught.value.__suppress_context__


def test_on_s3_a_bucket_or_a_folder_that_is_not_there_is_named(bucket) -> None:
    s3_client().put_object(Bucket=bucket, Key="lake/landing/sms/a.json", Body=b"{}")
    assert read(f"s3://{bucket}/lake", "messages").num_rows == 0
    with pytest.raises(NoSuchLake, match=f"no lake below the address 's3://{bucket}/lak'"):
        read(f"s3://{bucket}/lak", "messages")
    with pytest.raises(NoSuchLake, match="no lake below the address 's3://no-such-bucket/lake'"):
        read("s3://no-such-bucket/lake", "messages")


def test_on_s3_columns_and_versions_are_named_too(bucket) -> None:
    lake = f"s3://{bucket}/lake"
    _put(lake)
    with pytest.raises(NoSuchColumn, match="has no column cod; it has"):
        read(lake, "quarantine", ["cod"])
    with pytest.raises(NoSuchVersion, match="its versions are 0 to 1"):
        read(lake, "quarantine", version=9)


def test_wrong_credentials_are_said_to_be_so(bucket, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(LakeUnreachable, match=r"check its address, the credentials") as caught:
        read(f"s3://{bucket}/lake", "messages")
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_no_credentials_are_said_to_be_missing(bucket, monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(LakeUnreachable, match="AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY not set"):
        read(f"s3://{bucket}/lake", "messages")


def test_a_store_that_does_not_answer_is_named(monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("Generic S3 error\n  \x1b[31m↳\x1b[0m error sending request")

    monkeypatch.setattr(reading.tables, "read", refused)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    begun = time.monotonic()
    with pytest.raises(LakeUnreachable) as caught:
        read("s3://bucket/lake", "messages")
    assert time.monotonic() - begun < 5
    assert "the store is http://127.0.0.1:1 (AWS_ENDPOINT_URL)" in str(caught.value)
    assert str(caught.value).endswith("says: Generic S3 error error sending request")
