"""Erasing a person from a lake on S3: the same code, asked of a real object store."""

from pathlib import Path

from pax_assets.jobs.ingest import ingest
from pax_assets.jobs.outcomes import outcomes
from pax_assets.lake import erase, read
from pax_assets_tests.byte_search import found_in
from pax_assets_tests.landing_objects import DAYS, NOW, line
from pax_assets_tests.s3_server import keys, s3_client

HERS = {"from": "+15550100009"}
NEEDLES = ["15550100009", "calculus"]


def _downloaded(bucket: str, folder: Path) -> Path:
    for number, key in enumerate(keys(bucket)):
        if not key.endswith("/"):
            body = s3_client().get_object(Bucket=bucket, Key=key)["Body"].read()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}-{key.rsplit('/', 1)[-1]}").write_bytes(body)
    return folder


def test_a_person_is_erased_from_every_object_of_a_bucket(bucket, tmp_path):
    lake, landing = f"s3://{bucket}/lake", f"s3://{bucket}/in"
    texts = [line("1", "calculus", **HERS), line("2", "about others"), "{broken 15550100009"]
    for name, lines in (("a", texts), ("hers", [line("3", "calculus", **HERS)])):
        body = "\n".join(lines).encode()
        s3_client().put_object(Bucket=bucket, Key=f"in/sms/{DAYS[0]}/{name}.jsonl", Body=body)
    ingest(lake, landing, "sms", DAYS[0], NOW)
    assert set(found_in(_downloaded(bucket, tmp_path / "before"), NEEDLES)) == set(NEEDLES)
    report = erase(lake, landing, ["+15550100009"])
    assert (report.messages, len(report.rewritten), len(report.deleted)) == (2, 1, 1)
    assert found_in(_downloaded(bucket, tmp_path / "after"), NEEDLES) == {}
    assert read(lake, "raw_sms")["text"].to_pylist() == ["about others"]
    assert all(o.reconciled for o in outcomes(lake, "sms", DAYS[0]))
    assert ingest(lake, landing, "sms", DAYS[0], NOW).ingested == 0
    again = erase(lake, landing, ["+15550100009"])
    assert (again.messages, again.rows, again.rewritten, again.deleted) == (0, {}, [], [])
