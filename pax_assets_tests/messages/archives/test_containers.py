"""Gzip and zip objects: every member is read, whatever is wrong with one of them, within bounds."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import ChannelEvent, Message, Quarantined, parse
from pax_assets.messages.archives import expansion
from pax_assets_tests.messages.conftest import HEAD_OF_MAIL, RECEIVED, read
from pax_assets_tests.messages.streams import with_peak


def line(number: int) -> bytes:
    return json.dumps(
        {"id": f"m{number}", "text": f"text {number}", "from": "+13125550142"}
    ).encode()


def lines(first: int, last: int) -> bytes:
    return b"\n".join(line(number) for number in range(first, last + 1))


class Unseekable(io.RawIOBase):
    """A stream as an object store gives it: no seeking, and short reads."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = io.BytesIO(data)
        self.written = bytearray()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(memoryview(buffer)[:1000])

    def write(self, data) -> int:
        self.written += data
        return len(data)


def zipped(members, *, method=zipfile.ZIP_DEFLATED, zip64=False) -> bytes:
    """An archive of (name, content) pairs."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(content)
    return file.getvalue()


def ids(records) -> list[str]:
    return [record.provider_message_id for record in records if isinstance(record, Message)]


def problems(records) -> list[tuple[str, str]]:
    return [(r.code, r.position) for r in records if isinstance(r, Quarantined)]


# Gzip.


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (gzip.compress(lines(1, 3)), ["m1", "m2", "m3"]),
        (gzip.compress(line(1) + b"\n") + gzip.compress(line(2)), ["m1", "m2"]),
        (
            gzip.compress(line(1) + b"\n") + gzip.compress(b"") + gzip.compress(line(2)),
            ["m1", "m2"],
        ),
        (gzip.compress(line(1)) + b"\0" * 5000, ["m1"]),
        (gzip.compress(line(1) + b"\n") + b"\0" * 70_000 + gzip.compress(line(2)), ["m1", "m2"]),
        (gzip.compress(gzip.compress(line(1))), ["m1"]),
    ],
    ids=["plain", "members", "empty member", "padded", "padded between", "twice"],
)
def test_gzip_is_read_as_what_it_holds(packed, expected) -> None:
    records = read(packed, "sms")
    assert ids(records) == expected
    assert problems(records) == []
    assert list(parse(Unseekable(packed), "sms", "x", received_at=RECEIVED)) == records


def test_the_records_of_gzip_have_the_positions_of_what_it_holds() -> None:
    plain, packed = read(lines(1, 3), "sms"), read(gzip.compress(lines(1, 3)), "sms")
    assert packed == plain


def test_truncated_gzip_keeps_the_records_before_the_cut() -> None:
    # Random texts, so that the cut lies inside the deflated data of a late line.
    texts = [zlib.crc32(str(n).encode()) for n in range(30_000)]
    records = [{"id": f"m{number}", "text": str(text)} for number, text in enumerate(texts)]
    content = "\n".join(map(json.dumps, records)).encode()
    records = read(gzip.compress(content)[:-5000], "sms")
    found = ids(records)
    assert 20_000 < len(found) < 30_000
    assert found == [f"m{n}" for n in range(len(found))]
    assert problems(records)[-1] == ("corrupt_archive", "object")
    assert all(code in ("corrupt_archive", "json_truncated") for code, _ in problems(records))
    assert len(problems(records)) <= 2


@pytest.mark.parametrize("level", [0, 9])
def test_nothing_of_damaged_gzip_is_read(level) -> None:
    """A flipped bit may have changed any text, and that must not win over the right one."""
    packed = bytearray(gzip.compress(lines(1, 5000), compresslevel=level))
    packed[len(packed) // 2] ^= 1
    (record,) = read(bytes(packed), "sms")
    assert (record.code, record.position) == ("corrupt_archive", "object")


def test_nothing_of_gzip_with_a_wrong_checksum_is_read() -> None:
    packed = bytearray(gzip.compress(lines(1, 3)))
    packed[-8] ^= 1
    assert problems(read(bytes(packed), "sms")) == [("corrupt_archive", "object")]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_not_read_and_costs_no_other(method) -> None:
    packed = bytearray(zipped([("a", lines(1, 50)), ("b", line(99))], method=method))
    packed[60] ^= 1
    records = read(bytes(packed), "sms")
    assert problems(records) == [("corrupt_archive", "a")]
    assert ids(records) == ["m99"]


def test_bytes_after_gzip_are_not_passed_over() -> None:
    records = read(gzip.compress(line(1)) + b"more", "sms")
    assert ids(records) == ["m1"]
    assert problems(records) == [("corrupt_archive", "object")]


def test_half_a_mail_does_not_become_a_message() -> None:
    mail = (
        HEAD_OF_MAIL + b"\n" + b"".join(b"line %d\n" % zlib.crc32(b"%d" % n) for n in range(9000))
    )
    records = read(gzip.compress(mail)[:-9000], "email")
    assert problems(records) == [("corrupt_archive", "object")]
    assert len(records) == 1
    assert b"1@x.org" in records[0].payload


# Zip.


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("zip64", [False, True])
def test_zip_members_are_read_by_their_content_with_their_name_before_the_position(
    method, zip64
) -> None:
    members = [
        ("folder/", b""),
        ("folder/any.bin", lines(1, 2)),
        ("second", line(3)),
        ("again.gz", gzip.compress(line(4))),
    ]
    records = read(zipped(members, method=method, zip64=zip64), "sms")
    assert ids(records) == ["m1", "m2", "m3", "m4"]
    assert [record.position for record in records] == [
        "folder/any.bin: line 1",
        "folder/any.bin: line 2",
        "second: line 1",
        "again.gz: line 1",
    ]


def test_a_streamed_zip_with_data_descriptors_is_read_from_a_stream() -> None:
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", lines(1, 2))
        archive.writestr("b", line(3))
    packed = bytes(out.written)
    assert packed[6] & 8, "no data descriptors: the case tests nothing"
    assert ids(parse(Unseekable(packed), "sms", "x", received_at=RECEIVED)) == ["m1", "m2", "m3"]


def test_a_zip_with_a_comment_is_read() -> None:
    packed = zipped([("a", line(1))])
    comment = b"PK\x05\x06 a comment"
    packed = packed[:-2] + struct.pack("<H", len(comment)) + comment
    assert ids(read(packed, "sms")) in (["m1"], [])


def test_wrong_sizes_in_local_headers_do_not_matter() -> None:
    packed = bytearray(zipped([("a", line(1)), ("b", line(2))]))
    packed[18:26] = b"\xff" * 8
    assert ids(read(bytes(packed), "sms")) == ["m1", "m2"]


def test_a_wrong_size_in_the_directory_costs_that_member_only() -> None:
    packed = bytearray(zipped([("a", lines(1, 50)), ("b", line(99))]))
    entry = packed.index(b"PK\x01\x02")
    packed[entry + 20 : entry + 24] = struct.pack("<I", 60)
    records = read(bytes(packed), "sms")
    assert ids(records)[-1] == "m99"
    assert ("corrupt_archive", "a") in problems(records) or "a: " in problems(records)[-1][1]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/root/x", "root/x"),
        ("C:\\temp\\x", "C:/temp/x"),
        ("a\nb\x1b[31m", "a\ufffdb\ufffd[31m"),
        ("\u202etxt.exe", "\ufffdtxt.exe"),
        ("é.txt", "é.txt"),
        ("n" * 5000, "n" * 120 + "…"),
        ("..", "unnamed"),
    ],
)
def test_hostile_names_reach_positions_only_made_harmless(name, shown) -> None:
    (record,) = read(zipped([(name, line(1))]), "sms")
    assert record.position == f"{shown}: line 1"


def test_members_of_one_name_keep_different_positions() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        packed = zipped([("a", line(1)), ("a", line(2)), ("a (2)", line(3))])
    assert [record.position for record in read(packed, "sms")] == [
        "a: line 1",
        "a (2): line 1",
        "a (2) (2): line 1",
    ]


def test_an_encrypted_member_is_quarantined_and_the_others_are_read() -> None:
    packed = bytearray(zipped([("a", line(1)), ("b", line(2))]))
    entry = packed.index(b"PK\x01\x02")
    packed[entry + 8] |= 1
    records = read(bytes(packed), "sms")
    assert problems(records) == [("encrypted_member", "a")]
    assert ids(records) == ["m2"]


def test_a_member_in_an_unknown_compression_is_quarantined_and_the_others_are_read() -> None:
    packed = bytearray(zipped([("a", line(1)), ("b", line(2))]))
    entry = packed.index(b"PK\x01\x02")
    packed[entry + 10] = 99
    records = read(bytes(packed), "sms")
    assert problems(records) == [("unsupported_compression", "a")]
    assert ids(records) == ["m2"]


def test_an_empty_member_and_an_unknown_one_are_rows_with_a_reason() -> None:
    records = read(zipped([("empty", b""), ("photo", b"\xff\xd8\xff\xe0"), ("x", line(1))]), "sms")
    assert problems(records) == [
        ("empty_object", "empty: object"),
        ("unknown_format", "photo: object"),
    ]
    assert ids(records) == ["m1"]


def test_what_macos_adds_to_an_archive_is_an_event_and_not_an_alarm() -> None:
    members = [
        ("__MACOSX/._chat.txt", b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"),
        (".DS_Store", b"\x00\x00\x00\x01Bud1\x00\x00"),
        ("__MACOSX/real.jsonl", line(1)),
    ]
    records = read(zipped(members), "sms")
    assert [type(record) for record in records] == [ChannelEvent, ChannelEvent, Message]
    assert records[0].position == "__MACOSX/._chat.txt: object"


@pytest.mark.parametrize("cut", [1, 10, 22, 60, 120])
def test_a_zip_that_was_cut_off_is_one_quarantined_record(cut) -> None:
    packed = zipped([("a", lines(1, 3))])
    records = read(packed[:-cut], "sms")
    assert problems(records) == [("corrupt_archive", "object")]


def test_an_archive_without_members_is_a_row() -> None:
    assert problems(read(zipped([]), "sms")) == [("empty_object", "object")]
    assert problems(read(zipped([("folder/", b"")]), "sms")) == [("empty_object", "object")]


def test_a_zip64_place_that_no_file_has_costs_that_member_only() -> None:
    packed = zipped([("a", line(1)), ("b", line(2))])
    start, end = packed.index(b"PK\x01\x02"), packed.index(b"PK\x05\x06")
    entry = packed[start:end]
    second = entry.index(b"PK\x01\x02", 4)
    far = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    first = bytearray(entry[:second])
    first[42:46] = b"\xff" * 4
    first[30:32] = struct.pack("<H", len(far))
    directory = bytes(first) + far + entry[second:]
    tail = packed[end : end + 12] + struct.pack("<I", len(directory)) + packed[end + 16 :]
    records = read(packed[:start] + directory + tail, "sms")
    assert problems(records) == [("corrupt_archive", "a")]
    assert ids(records) == ["m2"]


# Bombs.


def test_archives_within_archives_are_opened_twice_and_no_further() -> None:
    once = zipped([("mail", line(1))])
    twice = zipped([("once.zip", once), ("m", line(2))])
    thrice = zipped([("twice.zip", twice), ("m", line(3))])
    assert ids(read(twice, "sms")) == ["m1", "m2"]
    records = read(thrice, "sms")
    assert ids(records) == ["m2", "m3"]
    assert problems(records) == [("nested_too_deep", "twice.zip: once.zip: object")]


def test_a_gzip_bomb_stops_at_its_bound_with_the_records_before_it() -> None:
    head = lines(1, 3) + b"\n"
    squeeze = zlib.compressobj(9, wbits=31)
    packed = squeeze.compress(head)
    zeros = b"0" * (1024 * 1024)
    packed += b"".join(squeeze.compress(zeros) for _ in range(300)) + squeeze.flush()
    assert len(packed) < 400_000
    records, peak = with_peak(lambda: read(packed, "sms"))
    assert ids(records) == ["m1", "m2", "m3"]
    assert problems(records)[-1] == ("expansion_too_large", "object")
    assert peak < 250 * 1024 * 1024


def test_a_zip_bomb_stops_at_its_bound_and_says_what_was_not_read(monkeypatch) -> None:
    monkeypatch.setattr(expansion, "FREE_BYTES", 1024 * 1024)
    bomb = b" " * (4 * 1024 * 1024)
    packed = zipped([("good", line(1)), ("bomb", bomb), ("late", line(2)), ("later", line(3))])
    records = read(packed, "sms")
    assert ids(records) == ["m1"]
    assert [code for code, _ in problems(records)][-2:] == ["expansion_too_large"] * 2
    assert problems(records)[-1][1] == "late"
    assert "the 1 after it" in records[-1].reason


def test_the_bounds_count_over_all_layers(monkeypatch) -> None:
    monkeypatch.setattr(expansion, "MAX_EXPANDED_BYTES", 300_000)
    noise = b"\n".join(line(zlib.crc32(b"%d" % n)) for n in range(1000))
    inner = zipped([("noise", noise)])
    assert len(noise) < 300_000
    records = read(zipped([(f"{n}.zip", inner) for n in range(10)]), "sms")
    assert problems(records)[-1][0] == "expansion_too_large"
    assert len(ids(records)) < 5000


def test_members_beyond_the_bound_are_one_record(monkeypatch) -> None:
    monkeypatch.setattr(expansion, "MAX_MEMBERS", 3)
    records = read(zipped([(f"{n}", line(n)) for n in range(6)]), "sms")
    assert ids(records) == ["m0", "m1", "m2"]
    assert problems(records) == [("too_many_members", "object")]


def test_members_that_share_their_bytes_are_refused_at_once() -> None:
    """Fifield's construction: every entry of the directory names the same packed bytes."""
    packed = zipped([("a", lines(1, 100))])
    start = packed.index(b"PK\x01\x02")
    entry, end = packed[start : packed.index(b"PK\x05\x06")], packed[-22:]
    count = 50
    bomb = packed[:start] + entry * count
    bomb += end[:8] + struct.pack("<HHI", count, count, len(entry) * count) + end[16:]
    assert problems(read(bomb, "sms")) == [("overlapping_members", "object")]


def test_other_packings_say_what_to_do() -> None:
    tar = b"name".ljust(257, b"\0") + b"ustar\x0000"
    for magic in (b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", tar):
        (record,) = read(magic + b"x" * 40, "sms")
        assert record.code == "packed_object"
        assert "gzip or zip" in record.reason


@settings(max_examples=150, deadline=None)
@given(
    noise=st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=6)), max_size=4),
    cut=st.integers(0, 600),
)
def test_a_damaged_archive_never_raises(noise, cut) -> None:
    packed = bytearray(zipped([("a", lines(1, 3)), ("b.gz", gzip.compress(line(4)))], zip64=True))
    for at, data in noise:
        packed[at : at + len(data)] = data
    records = read(bytes(packed[: len(packed) - cut // 10]), "sms")
    assert read(bytes(packed[: len(packed) - cut // 10]), "sms") == records
    assert records


@settings(max_examples=100, deadline=None)
@given(members=st.dictionaries(st.text(max_size=10), st.binary(max_size=50), min_size=1))
def test_every_member_of_any_archive_is_accounted_for(members) -> None:
    unique = {name.split("\0")[0] or "x": content for name, content in members.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in unique.items():
            try:
                archive.writestr(zipfile.ZipInfo(name), content)
            except UnicodeEncodeError:
                archive.writestr(zipfile.ZipInfo("surrogate"), content)
    records = read(file.getvalue(), "sms")
    empty_folders = sum(name.endswith(("/", "\\")) and not c for name, c in unique.items())
    assert len(records) >= len(unique) - empty_folders
