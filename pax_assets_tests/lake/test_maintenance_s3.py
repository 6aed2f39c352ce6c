"""Maintenance of a lake on a real object store."""

from __future__ import annotations

from pax_assets.lake import content_hash, read
from pax_assets.lake.maintenance import maintain, table_names
from pax_assets_tests.lake.test_maintenance import DAYS, append
from pax_assets_tests.s3_server import keys, s3_client


def test_a_lake_on_s3_is_compacted_and_vacuumed(bucket):
    lake = f"s3://{bucket}/lake"
    for number in range(4):
        append(lake, f"m{number}", day=DAYS[number % 2])
    s3_client().put_object(Bucket=bucket, Key="lake/messages/killed/part-0.parquet", Body=b"x")
    before = content_hash(read(lake, "messages"))
    assert table_names(lake) == ["messages"]
    (found,) = maintain(lake).tables
    assert (found.files_before, found.files_after, found.problem) == (4, 2, None)
    # Too young to be nobody's.
    assert "lake/messages/killed/part-0.parquet" in keys(bucket)
    found = next(t for t in maintain(lake, retention_hours=0).tables if t.table == "messages")
    assert found.problem is None
    data = [key for key in keys(bucket) if key.startswith("lake/messages/arrival_day=")]
    assert len(data) == 2
    assert "lake/messages/killed/part-0.parquet" not in keys(bucket)
    assert content_hash(read(lake, "messages")) == before
