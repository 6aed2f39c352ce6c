"""Headers of chat exports: every form that phones write, and look-alikes that are text."""

from __future__ import annotations

from itertools import product

import pytest

from pax_assets.messages.whatsapp.chat_headers import header_form, hour_of_day

# Header, the date's numbers, hour, minute, second.
FORMS = [
    ("3/6/18, 1:55 p.m. - ", "3/6/18", 13, "55", None),
    ("03-06-2018, 01.55 PM - ", "03/06/2018", 13, "55", None),
    ("03/06/2018, 13:55 - ", "03/06/2018", 13, "55", None),
    ("13.06.18 21.25.15: ", "13/06/18", 21, "25", "15"),
    ("[06.13.18 21:25:15] ", "06/13/18", 21, "25", "15"),
    ("13.6.2018 klo 21.25.15 - ", "13/6/2018", 21, "25", "15"),
    ("13. 6. 2018. 21:25:15 ", "13/6/2018", 21, "25", "15"),
    ("[3/6/18 1:55:00 p. m.] ", "3/6/18", 13, "55", "00"),
    ("\u200e[3/6/18 1:55:00 p. m.] ", "3/6/18", 13, "55", "00"),
    ("[2018/06/13, 21:25:15] ", "2018/06/13", 21, "25", "15"),
    ("[06/2018/13, 21:25:15] ", "06/2018/13", 21, "25", "15"),
    ("3/6/2018 1:55 p.\u00a0m. - ", "3/6/2018", 13, "55", None),
    ("3/6/18, 1:55\u202fPM - ", "3/6/18", 13, "55", None),
    ("19/09/26, 9:52\u202fam - ", "19/09/26", 9, "52", None),
    ("[2024/10/31 15:50:46] ", "2024/10/31", 15, "50", "46"),
    ("[12.3.2022 klo 14.08.18] ", "12/3/2022", 14, "08", "18"),
    ("23.03.22 13:31 - ", "23/03/22", 13, "31", None),
    ("30/08/25 18.00 - ", "30/08/25", 18, "00", None),
    ("2023-12-20, 5:46 p.m. - ", "2023/12/20", 17, "46", None),
    ("15/08/2023 à 15:45 - ", "15/08/2023", 15, "45", None),
    ("2023-08-15 15 h 45 - ", "2023/08/15", 15, "45", None),
    ("15.08.23, 3:45 vorm. - ", "15/08/23", 3, "45", None),
    ("15.08.23, 3:45 nachm. - ", "15/08/23", 15, "45", None),
    ("15.08.23 г., 10:00 - ", "15/08/23", 10, "00", None),
    ("15/08/2023, 3:45 μ.μ. - ", "15/08/2023", 15, "45", None),
    ("15.08.2023 ÖS 3:45 - ", "15/08/2023", 15, "45", None),
    ("2023/8/15 上午3:45 - ", "2023/8/15", 3, "45", None),
    ("2023/8/15 下午3:45 - ", "2023/8/15", 15, "45", None),
    ("2023年8月15日 下午3:45 - ", "2023/8/15", 15, "45", None),
    ("2023. 8. 15. 오후 3:45 - ", "2023/8/15", 15, "45", None),
    ("2023년 8월 15일 오전 3:45 - ", "2023/8/15", 3, "45", None),
    ("[2023/08/15 午後3:45:01] ", "2023/08/15", 15, "45", "01"),
    ("[\u200f١٥\u200f/٨\u200f/٢٠٢٣، ٩:٤٥:١٢ م] ", "١٥/٨/٢٠٢٣", 21, "٤٥", "١٢"),
    ("१५/८/२३, ३:४५ अपराह्न - ", "१५/८/२३", 15, "४५", None),
    ("15/8/2566 15:45 - ", "15/8/2566", 15, "45", None),
    ("15:45, 15/08/2023 - ", "15/08/2023", 15, "45", None),
    ("\u202a[15/08/2023, 15:45:00]\u00a0", "15/08/2023", 15, "45", "00"),
]


def _every_frame() -> list[tuple[str, str, int, str, str | None]]:
    """Six orders and separators, both clocks, with seconds and without, in both frames."""
    found = []
    for separator, year, twelve, seconds, bracket in product(
        "-/.", ("18", "2018"), (False, True), (False, True), (False, True)
    ):
        for numbers in (("13", "06", year), ("06", "13", year), (year, "06", "13")):
            clock = ("09:25" if twelve else "21:25") + (":15" if seconds else "")
            clock += " PM" if twelve else ""
            date = separator.join(numbers)
            header = f"[{date} {clock}] " if bracket else f"{date}, {clock} - "
            second = "15" if seconds else None
            found.append((header, "/".join(numbers), 21, "25", second))
    return found


@pytest.mark.parametrize(("header", "date", "hour", "minute", "second"), [*FORMS, *_every_frame()])
def test_a_header_is_read_in_every_form(header, date, hour, minute, second) -> None:
    for rest in ("Ann Lee: hello, it is 10:30 - see", "a: m", "Ann left", ""):
        if header.endswith("15 ") and ": " not in rest:
            continue
        line = header + rest
        form = header_form(line)
        assert form is not None
        found = form.pattern.match(line)
        assert found is not None
        assert line[found.end() :] == rest
        stamp = form.hour(found)
        assert ("/".join(stamp.date), hour_of_day(stamp)) == (date, hour)
        assert form.clock(found)[1:] == (minute, second)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2016-04-29 10:30:00",
        "12/3/22",
        "10:30 - Ann",
        "see you on 12/3/22, 10:00 - Ann: hi",
        "12/3/22, 10:99 - Ann: hi",
        "12/3/22, 31:00 - Ann: hi",
        "[12/3/22, 10:00 foo] Ann: hi",
        "2023-01-02 10:00:00 service started",
        "[1, 2, 3]",
        '[{"id": "12/3/22, 10:00 - "}]',
        "12/3/22 10:00\tAnn",
        "123/3/22, 10:00 - Ann: hi",
    ],
)
def test_a_line_that_only_resembles_a_header_is_text(line) -> None:
    assert header_form(line) is None


def test_a_file_has_one_form_and_pasted_headers_of_another_are_text() -> None:
    form = header_form("12/03/22, 10:00 - Ann: hi")
    assert form is not None
    assert form.pattern.match("31/12/22, 9:00 PM - Bo: a")
    for pasted in ("[12/03/22, 10:00] Bo: a", "12.03.22, 10:00 - Bo: a", "2022-03-12 10:00 Bo: a"):
        assert not form.pattern.match(pasted)


@pytest.mark.parametrize(
    ("clock", "hour"),
    [("12:05 AM", 0), ("12:05 PM", 12), ("0:05 PM", 12), ("24:05", 0), ("13:05 PM", 13)],
)
def test_midnight_and_noon_are_where_people_put_them(clock, hour) -> None:
    line = f"13/06/18, {clock} - Ann: hi"
    form = header_form(line)
    assert form is not None
    found = form.pattern.match(line)
    assert found is not None
    assert hour_of_day(form.hour(found)) == hour


def test_a_hostile_line_costs_little() -> None:
    for line in (
        "1" * 100_000,
        "[" * 100_000,
        "1/1/1 " + " " * 100_000,
        "1/1/11, 1:11" + "a" * 9**5,
    ):
        assert header_form(line) is None
