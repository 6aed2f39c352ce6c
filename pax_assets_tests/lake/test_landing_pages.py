"""Listing landing in pages: in order, complete, from any place on; on a directory and on S3."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pax_assets.jobs.ingest import ingest
from pax_assets.lake import landing, landing_pages, landing_watch
from pax_assets.lake.landing_watch import Position, Watch
from pax_assets_tests.landing_objects import DAYS, land, line
from pax_assets_tests.s3_server import s3_client

DAY = DAYS[0]
NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
DATED = [f"sms/{DAY}/{name}" for name in ("a", "b c#%", "nested/d", "nested.x", "z")]
UNDATED = ["sms/2026/01/05/a", "sms/b", "sms/z/1", "sms/z/2", "sms/zz"]
NO_OBJECTS = [f"sms/{DAY}/.hidden", f"sms/{DAY}/x.tmp", "sms/_logs/x", f"whatsapp/{DAY}/other"]


@pytest.fixture
def directory(tmp_path: Path) -> str:
    for path in (*DATED, *UNDATED, *NO_OBJECTS):
        land(tmp_path, path, b"x")
    return str(tmp_path)


@pytest.fixture
def store(bucket: str) -> str:
    for path in (*DATED, *UNDATED, *NO_OBJECTS, f"sms/{DAY}/folder/"):
        s3_client().put_object(Bucket=bucket, Key=f"in/{path}", Body=b"x")
    return f"s3://{bucket}/in"


@pytest.fixture(params=["directory", "store"])
def root(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def listed(pages) -> list[str]:
    return [landed.path for page in pages for landed in page]


def test_pages_hold_what_a_whole_listing_holds(root: str) -> None:
    dated = listed(landing_pages.dated_pages(root, "sms", DAY))
    assert sorted(dated) == sorted(DATED)
    assert [o.path for o in landing.dated_objects(root, "sms", DAY)] == sorted(dated)
    undated = listed(landing_pages.undated_pages(root, "sms"))
    assert sorted(undated) == sorted(UNDATED)
    assert [o.path for o in landing.undated_objects(root, "sms")] == sorted(undated)
    assert listed(landing_pages.dated_pages(root, "email", DAY)) == []


def test_a_listing_goes_on_after_any_object(root: str) -> None:
    """In the order of the store: SeaweedFS puts `a/b` before `a.b`, S3 after it."""
    for whole, pages in (
        (listed(landing_pages.dated_pages(root, "sms", DAY)), landing_pages.dated_pages),
        (listed(landing_pages.undated_pages(root, "sms")), landing_pages.undated_pages),
    ):
        day = [DAY] if pages is landing_pages.dated_pages else []
        for number, after in enumerate(whole):
            assert listed(pages(root, "sms", *day, after)) == whole[number + 1 :]


def test_an_etag_is_the_same_in_a_listing_and_asked_for_by_name(root: str) -> None:
    """Or whatever is taken in by name would look new for ever."""
    for page in landing_pages.dated_pages(root, "sms", DAY):
        by_name = landing.objects_at(root, "sms", [landed.path for landed in page])
        assert by_name == sorted(page, key=lambda landed: landed.path)


def test_a_look_that_runs_out_of_time_goes_on_where_it_stopped(tmp_path, lake, monkeypatch) -> None:
    """Each look here has time for one page; ten objects a channel still all come by."""
    monkeypatch.setattr(landing_pages, "PAGE", 3)
    root = tmp_path / "landing"
    for channel in ("sms", "email"):
        for number in range(10):
            land(root, f"{channel}/2026-01-07/{number}", [line(f"{channel}-{number}")])
    watch, position, seen = Watch(lake, str(root)), Position(), set()
    looks = 0
    while len(seen) < 20:
        look = watch.look(position, NOW, date(2026, 1, 1), seconds=0)
        found = [o.path for day in look.found.values() for found in day.values() for o in found]
        assert len(found) <= 3
        seen.update(found)
        position, looks = look.position, looks + 1
        assert looks < 60
    assert looks > 7


def test_what_the_ledger_knows_is_not_read_again(tmp_path, lake, monkeypatch) -> None:
    root = tmp_path / "landing"
    land(root, f"sms/{DAY}/a", [line("a")])
    ingest(lake, str(root), "sms", DAY, NOW)
    watch = Watch(lake, str(root))
    look = watch.look(Position(), NOW, date(2026, 1, 1))
    assert look.found == {}
    asked = []
    monkeypatch.setattr(
        landing_watch.ledger, "known_objects", lambda *a, **k: asked.append(a) or {}
    )
    assert watch.look(look.position, NOW, date(2026, 1, 1)).found == {}
    assert asked == []


def test_another_lake_at_the_same_address_is_asked_anew(tmp_path, lake) -> None:
    root = tmp_path / "landing"
    land(root, f"sms/{DAY}/a", [line("a")])
    ingest(lake, str(root), "sms", DAY, NOW)
    watch = Watch(lake, str(root))
    assert watch.look(Position(), NOW, date(2026, 1, 1)).found == {}
    Path(lake).rename(tmp_path / "away")
    look = watch.look(Position(), NOW, date(2026, 1, 1))
    assert [o.path for o in look.found[DAY]["sms"]] == [f"sms/{DAY}/a"]


def test_what_s3_took_in_is_not_new(store: str, bucket: str) -> None:
    lake = f"s3://{bucket}/lake"
    watch = Watch(lake, store)
    look = watch.look(Position(), NOW, date(2026, 1, 1), busy=lambda day: day != DAY)
    paths = [o.path for o in look.found[DAY]["sms"]]
    assert sorted(paths) == sorted(DATED)
    ingest(lake, store, "sms", DAY, NOW, paths=paths)
    watch = Watch(lake, store)
    look = watch.look(Position(), NOW, date(2026, 1, 1), busy=lambda day: day != DAY)
    assert "sms" not in look.found.get(DAY, {})
