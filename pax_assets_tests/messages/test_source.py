"""An object's bytes: whole, as a stream or as lines, the same whatever pieces they come in."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages import source as source_module
from pax_assets.messages.source import HEAD_BYTES, Line, Source
from pax_assets_tests.messages.streams import MIB, Pieces, repeated, with_peak

_CONTENT = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([b"\n", b"\r\n", b"a", b"\xff\xfe", b"\xef\xbb\xbf", b"\xd8\x00", b"xyz"]),
        max_size=30,
    ).map(b"".join),
)


def in_pieces(data: bytes, size: int) -> Pieces:
    return Pieces(data[at : at + size] for at in range(0, len(data), size))


@pytest.fixture
def small_bounds(monkeypatch) -> None:
    monkeypatch.setattr(source_module, "MAX_RECORD_BYTES", 20)
    monkeypatch.setattr(source_module, "MAX_QUARANTINE_BYTES", 4)
    monkeypatch.setattr(source_module, "HEAD_BYTES", 8)
    monkeypatch.setattr(source_module, "_CHUNK", 4)


@pytest.mark.usefixtures("small_bounds")
@settings(max_examples=300, deadline=None)
@given(data=_CONTENT, size=st.integers(1, 9), look_first=st.booleans())
def test_all_three_ways_give_the_same_bytes(data, size, look_first) -> None:
    expected = Source(data).stream().read()
    whole = Source(in_pieces(data, size)).small()
    assert whole == (expected if len(expected) <= 20 else None)
    streamed, lined = Source(in_pieces(data, size)), Source(in_pieces(data, size))
    if look_first:
        streamed.small()
        lined.small()
    assert streamed.stream().read() == expected
    lines = list(lined.lines())
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    split = expected.split(b"\n")
    ends = split if split[-1] else split[:-1]
    for line, end in zip(lines, ends, strict=True):
        assert end.startswith(line.data)
        assert line.whole == (end.rstrip(b"\r\n") == line.data)
        assert line.whole or (line.size > 20 and len(line.data) == 4)


@pytest.mark.usefixtures("small_bounds")
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_looking_several_times_changes_nothing(looks) -> None:
    source = Source(in_pieces(b"a" * 19 + b"\n" + b"b" * 19, 3))
    for _ in range(looks):
        assert source.small() is None
    assert [line.data for line in source.lines()] == [b"a" * 19, b"b" * 19]


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (codecs.BOM_UTF8 + "é\n".encode(), "é\n"),
        ("é\U0001f600\n".encode("utf-16"), "é\U0001f600\n"),
        (codecs.BOM_UTF16_BE + "é\U0001f600".encode("utf-16-be"), "é\U0001f600"),
        (codecs.BOM_UTF16_LE + "ab".encode("utf-16-le") + b"c", "ab\ufffd"),
        (codecs.BOM_UTF16_LE, ""),
        ("x" * HEAD_BYTES, "x" * HEAD_BYTES),
        (("é" * HEAD_BYTES).encode("utf-16"), "é" * HEAD_BYTES),
    ],
)
def test_a_byte_order_mark_is_taken_for_what_it_says(encoded, text) -> None:
    data = encoded.encode() if isinstance(encoded, str) else encoded
    assert Source(data).small() == text.encode()
    assert Source(in_pieces(data, 1000)).small() == text.encode()
    assert Source(in_pieces(data, 1000)).stream().read() == text.encode()


def test_half_a_character_at_the_end_of_utf_16_ends_the_lines() -> None:
    lines = list(Source(codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le") + b"c").lines())
    assert [line.data for line in lines] == [b"a", "b\ufffd".encode()]


def test_what_only_begins_like_utf_16_stays_as_it_is() -> None:
    data = codecs.BOM_UTF16_LE + b"\x00\xdc\x00\xdc" * 3
    assert Source(data).small() == data


def test_a_line_of_a_gigabyte_is_counted_and_not_kept() -> None:
    size = 1024 * MIB

    def lines() -> list[Line]:
        pieces = repeated(b"first\n", b"x", size - 1, b"\nlast")
        return [Line(n.number, n.data[:10], n.size) for n in Source(Pieces(pieces)).lines()]

    found, peak = with_peak(lines)
    assert [line.data for line in found] == [b"first", b"x" * 10, b"last"]
    assert found[1].size >= size
    assert not found[1].whole
    assert peak < 80 * MIB


def test_a_large_object_is_not_held_twice_while_it_is_looked_at() -> None:
    def looked_at() -> int:
        source = Source(Pieces(repeated(b"", b"x" * 1023 + b"\n", 200 * MIB)))
        assert source.small() is None
        return sum(1 for _ in source.lines())

    count, peak = with_peak(looked_at)
    assert count >= 200 * 1024
    assert peak < 80 * MIB
