"""Under test: e-mail addresses and links, and where they end."""

import pytest

from pax_assets_tests.nlp.recognizers.cases import found, recognizers, surfaces


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mail anna@example.com, please", "anna@example.com"),
        ("<o'brien@shop.example.co.uk>", "o'brien@shop.example.co.uk"),
        ("mailto:a+b@sub.example.org?subject=x", "a+b@sub.example.org"),
        ("write to user@example.com.Thanks", "user@example.com"),
        ("请联系anna@example.com谢谢", "anna@example.com"),
        ("müller@straße.de", "müller@straße.de"),
        ("so anna...bob@x.com", "bob@x.com"),
        ("(anna_k@example.museum)", "anna_k@example.museum"),
        ("*anna@example.com*", "anna@example.com"),
        ("%'-anna@example.com", "anna@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_ends_where_it_ends(text, address):
    assert surfaces(text, "email_address") == [address]


@pytest.mark.parametrize(
    "text",
    [
        "meet @ 5.30",
        "@anna.keller wrote",
        "bob@host",
        "anna @ example.com",
        "a@b@c.com",
        "x@.com",
        "@@@@",
        "a" * 65 + "@example.com",
        "see you@home. Then we go",
    ],
)
def test_an_at_sign_alone_is_no_address(text):
    assert found(text, "email_address") == []


def test_the_domain_of_an_address_is_written_small_and_the_name_is_kept():
    assert found("Anna.Keller@Example.COM") == [
        ("Anna.Keller@Example.COM", "Anna.Keller@example.com")
    ]


def test_full_width_letters_make_the_same_address():
    assert found("ａｎｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ") == [
        ("ａｎｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "anna@example.com")
    ]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("see https://en.wikipedia.org/wiki/Foo_(bar).", "https://en.wikipedia.org/wiki/Foo_(bar)"),
        ("(http://x.com/a)", "http://x.com/a"),
        ("[http://x.com/a]!", "http://x.com/a"),
        ("«http://a.example/c»", "http://a.example/c"),
        ("visithttp://x.com now", "http://x.com"),
        ("go https://例子.中国/路径。好", "https://例子.中国/路径"),
        ("http://localhost:3000/v1?q=[1]", "http://localhost:3000/v1?q=[1]"),
        ("www.Example.com/A, then", "www.Example.com/A"),
        ("log in at bank.com and", "bank.com"),
        ("bbc.co.uk", "bbc.co.uk"),
        ("Bank.Com", "Bank.Com"),
        ("(http://[::1]:80/x)", "http://[::1]:80/x"),
        ("t.co/abc?", "t.co/abc"),
        ("bit.ly/3xyz", "bit.ly/3xyz"),
        ("пример.рф", "пример.рф"),
        ("https://x.com/a\u200e next", "https://x.com/a"),
        ("https://wa.me/14155552671", "https://wa.me/14155552671"),
        ("https://x.com/?to=anna@example.com", "https://x.com/?to=anna@example.com"),
    ],
)
def test_a_link_ends_where_the_sentence_goes_on(text, link):
    assert surfaces(text) == [link]


@pytest.mark.parametrize(
    "text",
    [
        "later.is that ok",
        "joined.so i went",
        "ok.So what",
        "Quiz.Win a prize",
        "MY LIKING.BE THAT",
        "see readme.md and script.py",
        "e.g. this, i.e. that, U.S.A.",
        "life.you know",
        "www. nothing",
        "www.x",
        "http://",
        "and/or 3.50",
        "user@host.",
    ],
)
def test_words_that_lack_a_space_are_no_link(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("HTTP://Host.COM:80/Path?Q=1#F", "http://host.com:80/Path?Q=1#F"),
        ("https://anna:secret@host.com/x", "https://host.com/x"),
        ("Example.com", "http://example.com"),
        ("www.Example.com/A", "http://www.example.com/A"),
    ],
)
def test_the_value_of_a_link_has_a_scheme_and_no_password(text, value):
    assert found(text) == [(text, value)]


def test_the_surer_a_link_is_the_higher_its_score():
    text = "https://a.com www.b.com c.com/d e.com"
    assert [(one.recognizer, one.score) for one in recognizers().find(text)] == [
        ("url_scheme", 1.0),
        ("url_www", 1.0),
        ("url_path", 0.9),
        ("url_host", 0.8),
    ]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://a.com)https://b.com", ["https://a.com", "https://b.com"]),
        ("(https://a.com),https://b.com/x", ["https://a.com", "https://b.com/x"]),
        ("www.a.com;http://b.com", ["www.a.com", "http://b.com"]),
        ("https://x.org/web/2020/https://b.com/x", ["https://x.org/web/2020/https://b.com/x"]),
        ("https://x.org/?u=https://b.com", ["https://x.org/?u=https://b.com"]),
    ],
)
def test_a_link_ends_where_the_next_one_begins(text: str, links: list[str]) -> None:
    assert surfaces(text, "url") == links
