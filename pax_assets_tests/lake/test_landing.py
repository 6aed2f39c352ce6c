"""The landing listing: which objects there are, and for which day they count."""

from __future__ import annotations

import os

import pytest

from pax_assets.lake import landing, ledger
from pax_assets_tests.lake.test_ledger import put
from pax_assets_tests.landing_objects import land


@pytest.mark.parametrize(
    ("path", "dated"),
    [
        ("sms/2026-01-05/a.json", True),
        ("sms/2026-01-05/deep/er/a.json", True),
        ("sms/2026-01-05/.hidden", None),
        ("sms/2026-01-05/_SUCCESS", None),
        ("sms/2026-01-05/.uploads/a.json", None),
        ("sms/2026-01-05/a.json.tmp", None),
        ("sms/2026-01-05/a.json.PART", None),
        ("sms/a.json", False),
        ("sms/.a.json", None),
        ("sms/inbox/a.json", False),
        ("sms/2026-13-45/a.json", False),
        ("email/2026-01-05/a.json", None),
    ],
)
def test_an_object_counts_for_the_day_of_its_folder(tmp_path, path, dated):
    land(tmp_path, path, ["x"])
    root = str(tmp_path)
    found_dated = [o.path for o in landing.dated_objects(root, "sms", "2026-01-05")]
    found_undated = [o.path for o in landing.undated_objects(root, "sms")]
    assert found_dated == ([path] if dated else [])
    assert found_undated == ([path] if dated is False else [])


def test_a_landing_folder_that_does_not_exist_is_empty(tmp_path):
    root = str(tmp_path / "nowhere")
    assert landing.dated_objects(root, "sms", "2026-01-05") == []
    assert landing.undated_objects(root, "sms") == []
    assert landing.landing_days(root, root) == []


def test_the_etag_changes_when_an_object_is_written_again(tmp_path):
    file = land(tmp_path, "sms/a.json", ["x"])
    (before,) = landing.undated_objects(str(tmp_path), "sms")
    os.utime(file, ns=(1, before.modified_at.timestamp().__trunc__() * 10**9 + 10**10))
    (after,) = landing.undated_objects(str(tmp_path), "sms")
    assert before.size == after.size
    assert before.etag != after.etag


def test_days_are_those_of_folders_with_objects_and_of_undated_objects(tmp_path, lake):
    root = tmp_path / "landing"
    land(root, "sms/2026-01-07/a.json", ["x"])
    land(root, "email/2026-01-05/a.eml", ["x"])
    (root / "email/2026-01-06").mkdir()
    assert landing.landing_days(lake, str(root)) == ["2026-01-05", "2026-01-07"]
    land(root, "sms/loose.json", ["x"])
    put(lake, "sms/loose.json", ["0a"], "2026-01-09")
    ledger.catch_up(lake, "sms")
    assert landing.landing_days(lake, str(root)) == ["2026-01-05", "2026-01-07", "2026-01-09"]
    land(root, "sms/new.json", ["x"])
    assert len(landing.landing_days(lake, str(root))) == 4


def test_an_object_is_read_by_its_path(tmp_path):
    land(tmp_path, "sms/a b#c.json", b"\x00bytes")
    with landing.open_object(str(tmp_path), "sms/a b#c.json") as stream:
        assert stream.read() == b"\x00bytes"
    with pytest.raises(OSError, match="gone"):
        landing.open_object(str(tmp_path), "sms/gone.json")
