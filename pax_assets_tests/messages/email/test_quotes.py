"""Spans of quotes, attributions, forwards and signatures in a mail's text."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pax_assets.messages.email.html_text import html_text_and_marks, html_to_text
from pax_assets.messages.email.quotes import MAX_SPANS, Span, quote_spans


def _parts(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in quote_spans(text)]


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 5 Jan 2026 at 10:00, Ann Lee <ann@x.org> wrote:",
        "On Mon, Jan 5, 2026 at 10:00 AM Ann Lee\n<ann@x.org> wrote:",
        "On Monday, January 5, 2026, at 10:00 AM, Ann Lee, who has a long name,\n"
        "and a mail program that wraps,\nwrote:",
        "Ann Lee wrote:",
        "Ann Lee:",
        "At 10:00 AM on 1/5/26, Ann wrote:",
        "Monday, January 5, 2026, 10:00:11 AM, you wrote:",
        "--- Ann Lee <ann@x.org> wrote:",
        "* Ann Lee <ann@x.org> [2026-01-05 10:00]:",
        "Quoting Ann Lee <ann@x.org>:",
        "In article <1@x.org>, Ann wrote:",
        "Am Mo., 5. Jan. 2026 um 10:00 Uhr schrieb Ann Lee <ann@x.org>:",
        "Le lun. 5 janv. 2026 à 10:00, Ann Lee <ann@x.org> a écrit :",
        "El lun, 5 ene 2026 a las 10:00, Ann Lee (<ann@x.org>) escribió:",
        "Il giorno lun 5 gen 2026 alle ore 10:00 Ann Lee <ann@x.org> ha scritto:",
        "Em seg., 5 de jan. de 2026 às 10:00, Ann Lee <ann@x.org> escreveu:",
        "Op ma 5 jan 2026 om 10:00 schreef Ann Lee <ann@x.org>:",
        "Den mån 5 jan. 2026 kl 10:00 skrev Ann Lee <ann@x.org>:",
        "ma 5. tammik. 2026 klo 10.00 Ann Lee (ann@x.org) kirjoitti:",
        "pon., 5 sty 2026 o 10:00 Ann Lee <ann@x.org> napisał(a):",
        "po 5. 1. 2026 v 10:00 odesílatel Ann Lee <ann@x.org> napsal:",
        "пн, 5 янв. 2026 г. в 10:00, Ann Lee <ann@x.org>:",
        "05.01.2026 10:00, Ann Lee пишет:",
        "Ann Lee <ann@x.org>, 5 Oca 2026 Pzt, 10:00 tarihinde şunu yazdı:",
        "Ann Lee <ann@x.org> 于2026年1月5日周一 10:00写道：",
        "2026年1月5日(月) 10:00 Ann Lee <ann@x.org>:",
        "2026년 1월 5일 (월) 오전 10:00, Ann Lee <ann@x.org>님이 작성:",
    ],
)
def test_a_reply_has_an_attribution_and_a_quote(attribution) -> None:
    text = f"Noon is fine.\n\n{attribution}\n\n> Lunch?\n>\n> Ann\n"
    assert _parts(text) == [("attribution", attribution), ("quote", "> Lunch?\n>\n> Ann")]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("> a\nyes\n\n> b\n\n> c\nno\n", [("quote", "> a"), ("quote", "> b\n\n> c")]),
        (">> a\n> b\n", [("quote", ">> a\n> b")]),
        ("  > a\n", [("quote", "  > a")]),
        ("AL> a\nAL> b\nyes\n", [("quote", "AL> a\nAL> b")]),
        ("Ann wrote:\n| a\n| b\nyes\n", [("attribution", "Ann wrote:"), ("quote", "| a\n| b")]),
        ("SQL> select 1\n", []),
        ("a | b\n| c | d\n", []),
        ("It is so:\n> a\n", [("quote", "> a")]),
        ("In 2026 he wrote:\n\nnothing at all.\n", []),
        ("x > y\n-> z\n", []),
        (">From here on\nit rains\n", []),
        ("> a\n>From b\n> c\n", [("quote", "> a\n>From b\n> c")]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_quoted_lines_are_runs(text, parts) -> None:
    assert _parts(text) == parts


@pytest.mark.parametrize(
    ("separator", "headers"),
    [
        ("-----Original Message-----", "From: Ann\nSent: Monday\nTo: Bo\nSubject: Lunch"),
        ("----- Original Message -----", ""),
        ("-----Ursprüngliche Nachricht-----", "Von: Ann\nGesendet: Montag\nAn: Bo\nBetreff: x"),
        ("-----Message d'origine-----", "De : Ann\nEnvoyé : lundi\nÀ : Bo\nObjet : x"),
        ("-----Mensaje original-----", "De: Ann\nEnviado el: lunes\nPara: Bo\nAsunto: x"),
        ("-----Messaggio originale-----", "Da: Ann\nInviato: lunedì\nA: Bo\nOggetto: x"),
        ("-----Oorspronkelijk bericht-----", "Van: Ann\nVerzonden: maandag\nAan: Bo\nOnderwerp: x"),
        ("-----Ursprungligt meddelande-----", "Från: Ann\nSkickat: x\nTill: Bo\nÄmne: x"),
        ("________________________________", "From: Ann\nSent: Monday\nTo: Bo\nSubject: Lunch"),
        ("", "*From:* Ann <ann@x.org>\n*Sent:* Monday\n*To:* Bo\n*Subject:* Lunch"),
        ("", "From: Ann\nTo: a@x.org; b@x.org;\n c@x.org\nDate: 2026-01-05\nSubject: Lunch"),
        ("", "发件人: Ann\n发送时间: 2026年1月5日\n收件人: Bo\n主题: x"),
    ],
)
def test_an_outlook_reply_is_a_quote_to_the_end(separator, headers) -> None:
    block = "\n".join(part for part in (separator, headers) if part)
    text = f"Noon.\n\n{block}\n\nLunch?\n\nRegards,\nAnn\n"
    assert _parts(text) == [("attribution", block), ("quote", "Lunch?\n\nRegards,\nAnn")]


@pytest.mark.parametrize(
    "text",
    [
        "From: Vienna\nTo: Graz\nPlatform: 7\n\nSee you there.\n",
        "From: me\nthanks for the date: it was fun\n",
        "Sent: yesterday\nTo: you\nSubject: this\n",
        "-----\nOriginal Message in a bottle\n",
    ],
)
def test_labels_alone_are_no_quote(text) -> None:
    assert _parts(text) == []


@pytest.mark.parametrize(
    "separator",
    [
        "---------- Forwarded message ---------",
        "-------- Forwarded Message --------",
        "Begin forwarded message:",
        "--- begin forwarded text",
        "----- Forwarded by Ann Lee/X on 01/05/2026 10:00 AM -----",
        "-------- Weitergeleitete Nachricht --------",
        "Anfang der weitergeleiteten Nachricht:",
        "---------- Message transféré ---------",
        "Début du message réexpédié :",
        "---------- Mensaje reenviado ---------",
        "---------- Messaggio inoltrato ---------",
        "---------- Doorgestuurd bericht ---------",
        "-------- Пересылаемое сообщение --------",
        "---------- 转发的邮件 ---------",
    ],
)
def test_a_forward_reaches_to_the_end(separator) -> None:
    forwarded = f"{separator}\nFrom: Ann\nDate: Monday\n\nLunch?\n> no\n-- \nAnn"
    assert _parts(f"For you.\n\n{forwarded}\n") == [("forward", forwarded)]


def test_a_forward_that_says_where_it_ends_is_followed_by_own_words() -> None:
    forwarded = "--- begin forwarded text\nLunch?\n--- end forwarded text"
    text = f"See:\n{forwarded}\n\nWhat do you think?\n-- \nBo\n"
    assert _parts(text) == [("forward", forwarded), ("signature", "-- \nBo")]


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAnn Lee\nCTO",
        "--\nAnn",
        "Best regards,\nAnn",
        "Kind regards\n\nAnn Lee\n+1 555 0100\nwww.x.org",
        "Thanks,\nAnn",
        "Cheers, Ann",
        "Regards,\nAnn\n-- \nAnn Lee",
        "Mit freundlichen Grüßen\nAnn Lee",
        "Viele Grüße, Ann",
        "Cordialement,\nAnn",
        "Un saludo,\nAnn",
        "Cordiali saluti\nAnn",
        "Met vriendelijke groet,\nAnn",
        "Med vänliga hälsningar\nAnn",
        "С уважением,\nАнна",
        "-Ann",
        "--Ann Lee (home page: http://x.org/)",
        "Sent from my iPhone",
        "Sent from Yahoo Mail on Android",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Skickat från min iPhone",
        "Sendt fra min iPhone",
        "Wysłane z iPhone'a",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的 iPhone",
        "나의 iPhone에서 보냄",
        "_______________________________________________\nLunch mailing list\nLunch@lists.x.org",
        "-- \nAnn\n\n_____________________\nTo unsubscribe write to x@y.org",
    ],
)
def test_a_signature_is_what_stands_below_the_words(signature) -> None:
    text = f"Shall we have lunch at noon?\n\n{signature}\n\n"
    spans = _parts(text)
    assert "\n\n".join(part for _, part in spans) == signature
    assert {kind for kind, _ in spans} == {"signature"}
    # Above a quoted mail as well.
    replied = f"Yes, at noon.\n\n{signature}\n\nBo wrote:\n> Lunch?\n"
    if "____" not in signature:
        assert _parts(replied) == [
            ("signature", signature),
            ("attribution", "Bo wrote:"),
            ("quote", "> Lunch?"),
        ]


@pytest.mark.parametrize(
    "text",
    [
        "Thanks\n",
        "Thanks,\nAnn\n",
        "Shall we?\nThanks\n",
        "I send you my best regards and hope that it rains\n",
        "Regards,\nAnn\n\nPS: bring the map\n",
        "Cheers,\nbut before that I must tell you of the day on which it rained so hard\n",
        "- milk\n- bread\n",
        "1\n--\n" + "text\n" * 40,
        "----------\na table\n----------\n",
    ],
)
def test_words_are_not_taken_for_a_signature(text) -> None:
    assert _parts(text) == []


def test_html_names_quotes_and_signatures() -> None:
    markup = (
        '<div>Noon &amp; no later.<div class="gmail_signature">Ann<br>CTO</div></div>'
        '<div class="gmail_quote"><div class="gmail_attr">On Mon, Jan 5, 2026 at 10:00 AM Bo '
        '&lt;bo@y.org&gt; wrote:<br></div><blockquote class="gmail_quote"><p>Lunch?</p>'
        "<blockquote>deeper</blockquote><p>Bo</p></blockquote></div><div>One more thing</div>"
    )
    text, marks = html_text_and_marks(markup)
    assert text == html_to_text(markup)
    assert [(span.kind, text[span.start : span.end]) for span in quote_spans(text, marks)] == [
        ("signature", "Ann\nCTO"),
        ("attribution", "On Mon, Jan 5, 2026 at 10:00 AM Bo <bo@y.org> wrote:"),
        ("quote", "Lunch?\n\ndeeper\n\nBo"),
    ]


@pytest.mark.parametrize(
    ("markup", "marked"),
    [
        ("a<blockquote>b</blockquote>c", ["b"]),
        ("a<blockquote>b", ["b"]),
        ("a</blockquote>b", []),
        ("<blockquote> </blockquote>b", []),
        ("<blockquote>&#160;b\xa0</blockquote>\xa0c", ["b"]),
        ('<div name="quote">b</div>', ["b"]),
        ('<div class="yahoo_quoted"><div>b</div>c</div>d', ["b\nc"]),
        ("<div class=signature-line>b</div>", ["b"]),
        ('<div title="my signature">b</div>', []),
        ("<blockquote><pre>a  \n\n\n\n b</pre></blockquote>", ["a\n\nb"]),
    ],
)
def test_marks_survive_the_change_of_white_space(markup, marked) -> None:
    text, marks = html_text_and_marks(markup)
    assert [text[mark.start : mark.end] for mark in marks] == marked


def test_the_number_of_spans_is_bounded() -> None:
    assert len(quote_spans("> a\nb\n" * 1000)) == MAX_SPANS


LINES = st.sampled_from(
    [
        "",
        " ",
        "hello",
        "> q",
        ">> q",
        ">From q",
        "AL> q",
        "| q",
        "-- ",
        "--",
        "____________________",
        "x mailing list",
        "On Mon, 5 Jan 2026, Ann <ann@x.org>",
        "On Mon, 5 Jan 2026, Ann <ann@x.org> wrote:",
        "wrote:",
        "-----Original Message-----",
        "From: a",
        "Sent: b",
        "To: c",
        "Begin forwarded message:",
        "--- end forwarded text",
        "Thanks,",
        "Regards,",
        "Ann",
        "-Ann",
        "Sent from my iPhone",
        "\u2028> x",
        "\x0b",
        "\U0001f600",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(LINES | st.text(max_size=12), max_size=40).map("\n".join),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=3),
)
def test_spans_are_sorted_apart_and_whole_lines(text, places) -> None:
    marks = [
        Span(
            "quote" if first % 2 else "signature", min(first, end), min(max(first, end), len(text))
        )
        for first, end in places
    ]
    at = -1
    for span in quote_spans(text, marks):
        assert at < span.start < span.end <= len(text)
        assert span.start == 0 or text[span.start - 1] == "\n"
        assert span.end == len(text) or text[span.end] == "\n"
        assert text[span.start : span.end].strip()
        at = span.end


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<blockquote>",
                "</blockquote>",
                "<div class=signature>",
                "</div>",
                "<p>",
                "\n",
                "<!--",
            ]
        )
        | st.text(max_size=6),
        max_size=25,
    ).map("".join)
)
def test_marks_of_any_markup_lie_in_its_text(markup) -> None:
    text, marks = html_text_and_marks(markup)
    assert text == html_to_text(markup)
    assert all(0 <= mark.start < mark.end <= len(text) for mark in marks)
    assert not any(text[mark.start].isspace() for mark in marks)
    assert all(mark.end <= after.start for mark, after in pairwise(marks))


@pytest.mark.parametrize(
    "hostile",
    [
        "On " + "a " * 200_000,
        "a:\n" * 200_000,
        "wrote:\n" * 100_000,
        "On 5 Jan 2026\n" * 60_000,
        ">" * 500_000,
        "> \n\n" * 150_000,
        "--\n" * 200_000,
        "From: a\n" * 100_000,
        "-----Original Message-----\n" * 20_000,
        "Begin forwarded message:\n" * 20_000,
        "-" * 500_000,
        ("-" * 40 + "\n") * 10_000,
        "\n" * 500_000,
        ">From \n" * 80_000,
        "Regards,\n" * 60_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_costs_linear_time(hostile) -> None:
    half = hostile[: len(hostile) // 2]

    def cost(text: str) -> float:
        start = time.process_time()
        quote_spans(text)
        return time.process_time() - start

    cost(half)
    # Quadratic time would be four times as much, and on this size minutes.
    assert cost(hostile) < 3.5 * cost(half) + 0.3
