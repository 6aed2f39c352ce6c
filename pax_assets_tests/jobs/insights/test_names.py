"""When two spellings are one node: a table of names, and properties of the rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax_assets.jobs.insights.names import masked_name, node_id, normalized_name

SAME = [
    ("person", "Anna Keller", "anna  keller"),
    ("person", "Anna Keller", "ANNA KELLER"),
    ("person", "Anna Keller", "Anna\u00a0Keller"),
    ("person", "Anna Keller", "Anna Keller's"),
    ("person", "Anna Keller", "Anna Keller’s"),
    ("person", "Anna Keller", "Anna\nKeller,"),
    ("person", "J. P. Morgan", "J P Morgan"),
    ("person", "J.P. Morgan", "JP Morgan"),
    ("person", "Jean-Luc Petit", "Jean Luc Petit"),
    ("person", "O'Neill", "O’Neill"),
    ("person", "Groß", "GROSS"),
    ("person", "José", "Jose\u0301"),
    ("person", "\u200fדנה\u200e", "דנה"),
    ("organization", "ACME Corp.", "Acme"),
    ("organization", "acme, inc", "Acme Corporation"),
    ("organization", "Acme Co., Ltd.", "ACME"),
    ("organization", "Acme GmbH & Co. KG", "Acme"),
    ("organization", "Smith & Co", "Smith"),
    ("organization", "Smith and Sons", "Smith & Sons"),
    ("organization", "Nordlicht A.S.", "Nordlicht AS"),
    ("organization", "Ｈｏｏｌｉ", "Hooli"),
    ("org", "Globex S.p.A.", "globex"),
    ("location", "St. Gallen", "St Gallen"),
]
DIFFERENT = [
    ("person", "Anna", "Anna Keller"),
    ("person", "Anna Keller", "Anna Kessler"),
    ("person", "José", "Jose"),
    ("person", "Ben Co", "Ben"),
    ("organization", "Acme North", "Acme"),
    ("organization", "Company", "Limited"),
    ("organization", "Inc. Magazine", "Magazine"),
    ("person", "अनिल", "अनल"),
    ("person", "😀", "😂"),
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_spellings_that_are_one_node(kind: str, one: str, other: str) -> None:
    assert normalized_name(one, kind) == normalized_name(other, kind)


@pytest.mark.parametrize(("kind", "one", "other"), DIFFERENT)
def test_names_that_are_two_nodes(kind: str, one: str, other: str) -> None:
    assert normalized_name(one, kind) != normalized_name(other, kind)


def test_one_name_of_two_types_is_two_nodes() -> None:
    assert node_id("paris", "person") != node_id("paris", "location")


@given(st.text(min_size=1), st.sampled_from(["person", "organization", "location"]))
def test_a_normalized_name_is_not_empty_and_stays_as_it_is(surface: str, kind: str) -> None:
    name = normalized_name(surface, kind)
    assert name
    assert normalized_name(name, kind) == name
    assert len(node_id(name, kind)) == 32


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Anna Keller", "A. K."),
        ("anna", "A."),
        ("+1 555 0100", "# # #"),
        ("anna@example.com", "A. E. C."),
        ("4711 Logistics", "# L."),
        ("One Two Three Four Five", "O. T. T. F."),
        ("דנה", "ד."),
        ("😀", "#"),
        ("", "#"),
    ],
)
def test_a_masked_name_shows_initials_and_no_digits(name: str, shown: str) -> None:
    assert masked_name(name) == shown
