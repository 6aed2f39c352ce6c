"""Duplicates that say something else than the message that has their id."""

import pytest

from pax_assets.jobs import differing_duplicates as module
from pax_assets.jobs.differing_duplicates import differing_duplicates
from pax_assets.jobs.ingest import ingest
from pax_assets.lake import tables
from pax_assets_tests.landing_objects import DAYS, NOW, land, line


@pytest.fixture
def taken_in(lake, tmp_path):
    """Land lines as an object of a day and ingest it; return the objects of that run."""

    def take(day: str, name: str, *lines: str) -> list[str]:
        path = f"sms/{day}/{name}.jsonl"
        land(tmp_path, path, lines)
        ingest(lake, str(tmp_path), "sms", day, NOW, paths=[path])
        return [path]

    return take


def counts(found) -> tuple[int, int, int, int]:
    return (found.duplicates, found.other_bytes, found.other_content, found.not_compared)


def test_the_same_bytes_again_are_no_matter(lake, taken_in) -> None:
    taken_in(DAYS[0], "a", line("1"), line("2"))
    again = taken_in(DAYS[1], "b", line("1"), line("1"), line("3"))
    assert counts(differing_duplicates(lake, "sms", DAYS[1], again)) == (2, 0, 0, 0)


def test_other_bytes_with_the_same_text_are_counted_apart(lake, taken_in) -> None:
    taken_in(DAYS[0], "a", line("1"))
    again = taken_in(DAYS[1], "b", line("1", campaign="other"), line("1", subject=""))
    assert counts(differing_duplicates(lake, "sms", DAYS[1], again)) == (2, 2, 0, 0)


@pytest.mark.parametrize("changed", [{"text": "other"}, {"subject": "other"}, {"text": ""}])
def test_another_text_or_subject_is_found_and_placed(lake, taken_in, changed) -> None:
    taken_in(DAYS[0], "a", line("0"), line("1", "first"))
    same, other = line("1", "first"), line("1", **{"text": "first", **changed})
    again = taken_in(DAYS[1], "b", same, line("2"), other)
    found = differing_duplicates(lake, "sms", DAYS[1], again)
    assert counts(found) == (2, 1, 1, 0)
    assert found.examples == [
        {
            "object": again[0],
            "position": "line 3",
            "message_object": f"sms/{DAYS[0]}/a.jsonl",
            "message_position": "line 2",
        }
    ]


def test_within_one_object_the_first_is_what_the_others_are_compared_with(lake, taken_in) -> None:
    only = taken_in(DAYS[0], "a", line("1", "x"), line("1", "y"), line("1", "x"), line("1", "z"))
    assert counts(differing_duplicates(lake, "sms", DAYS[0], only)) == (3, 2, 2, 0)


def test_only_the_objects_that_were_asked_about_count(lake, taken_in) -> None:
    first = taken_in(DAYS[0], "a", line("1", "x"))
    second = taken_in(DAYS[0], "b", line("1", "y"))
    assert counts(differing_duplicates(lake, "sms", DAYS[0], first)) == (0, 0, 0, 0)
    assert counts(differing_duplicates(lake, "sms", DAYS[0], second)) == (1, 1, 1, 0)


def test_of_other_days_only_some_are_read_and_the_rest_is_counted(
    lake, taken_in, monkeypatch
) -> None:
    taken_in(DAYS[0], "a", line("1", "x"))
    taken_in(DAYS[1], "b", line("2", "x"))
    again = taken_in(DAYS[2], "c", line("1", "y"), line("2", "y"))
    monkeypatch.setattr(module, "_MOST_OTHER_DAYS", 1)
    read, opened = tables.read, []
    monkeypatch.setattr(tables, "read", lambda *a, **k: opened.append(a) or read(*a, **k))
    found = differing_duplicates(lake, "sms", DAYS[2], again)
    assert counts(found) == (2, 1, 1, 1)
    assert not any(DAYS[0] in str(asked) for asked in opened)
