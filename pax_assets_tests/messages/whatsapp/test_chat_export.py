"""Chat exports: lines to messages and events, ids that a later export repeats, hostile bytes."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from itertools import islice
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pax_assets.messages import ChannelEvent, Message, ParseOptions, Quarantined, Record, parse
from pax_assets.messages.whatsapp import chat_export, chat_records
from pax_assets.messages.whatsapp.chat_names import learn_names
from pax_assets.messages.whatsapp.chat_title import is_transcript, title_of
from pax_assets_tests.messages.conftest import RECEIVED, check_storable

OPTIONS = ParseOptions(default_zone="Europe/Berlin", default_region="DE", date_order="dmy")


def chat(
    text: str | bytes, name: str = "chat.txt", options: ParseOptions = OPTIONS
) -> list[Record]:
    """Parse an export as landed under `name`."""
    data = text.encode() if isinstance(text, str) else text
    found = list(parse(data, "whatsapp", f"day/{name}", received_at=RECEIVED, options=options))
    for record in found:
        check_storable(record)
    return found


def messages(records: list[Record]) -> list[Message]:
    return [record for record in records if isinstance(record, Message)]


def said(*bodies: str, frame: str = "13/06/24, 10:{:02} - Ann: ") -> str:
    return "\n".join(frame.format(number) + body for number, body in enumerate(bodies)) + "\n"


def test_a_chat_becomes_messages_with_what_the_export_knows() -> None:
    text = (
        "13/06/24, 21:25 - Ann Lee: hello\n\nthere: you\n13/06/24, 21:26 - +49 151 23456789: hi\n"
    )
    first, second = messages(chat(text, "WhatsApp Chat mit Ann Lee.txt"))
    assert (first.sender, first.text) == ("Ann Lee", "hello\n\nthere: you")
    assert first.sent_at == datetime(2024, 6, 13, 19, 25, tzinfo=UTC)
    assert (first.sent_at_precision, first.zone_assumed) == ("minute", "Europe/Berlin")
    assert (first.provider, first.source_kind, first.account) == ("whatsapp_export", "export", "")
    assert (first.direction, first.recipients, first.position) == ("unknown", (), "line 1")
    assert first.source_metadata == {"local_time": "2024-06-13T21:25", "chat": "Ann Lee"}
    assert (second.sender, second.position) == ("+4915123456789", "line 4")
    assert first.conversation_id == second.conversation_id
    assert first.message_id != second.message_id


@pytest.mark.parametrize(
    ("body", "kind", "content_type"),
    [
        ("<Media omitted>", "media", "whatsapp/media"),
        ("<Medien ausgeschlossen>", "media", "whatsapp/media"),
        ("<Multimedia omitido>", "media", "whatsapp/media"),
        ("<Médias omis>", "media", "whatsapp/media"),
        ("<Media omessi>", "media", "whatsapp/media"),
        ("<Mídia oculta>", "media", "whatsapp/media"),
        ("<Media weggelaten>", "media", "whatsapp/media"),
        ("<Media jätettiin pois>", "media", "whatsapp/media"),
        ("<Medya dahil edilmedi>", "media", "whatsapp/media"),
        ("<Без медиафайлов>", "media", "whatsapp/media"),
        ("image omitted", "image", "whatsapp/image"),
        ("\u200eimage omitted", "image", "whatsapp/image"),
        ("\u200eBild weggelassen", "image", "whatsapp/image"),
        ("\u200eaudio omitted", "audio", "whatsapp/audio"),
        ("\u200eGIF omitido", "gif", "whatsapp/gif"),
        ("\u200eContact card omitted", "contacts", "whatsapp/contacts"),
        ("<View once voice message omitted>", "view_once", "whatsapp/view_once"),
        ("Report.pdf • \u200e3 pages \u200edocument omitted", "document", "whatsapp/document"),
        ("\u200e<attached: 00000042-PHOTO-2024-06-07-15-13-20.jpg>", "image", "whatsapp/image"),
        ("<adjunto: 00000042-AUDIO-2024-06-07-15-13-20.opus>", "audio", "whatsapp/audio"),
        ("a b.pdf • \u200e2 Seiten \u200e<Anhang: 2-a b.pdf>", "document", "whatsapp/document"),
        ("\u200e<kiinnitetty: 00000042-STICKER-1.webp>", "sticker", "whatsapp/sticker"),
        ("IMG-20240613-WA0002.jpg (file attached)", "image", "whatsapp/image"),
        ("\u200eIMG-20240613-WA0002.jpg (Datei angehängt)", "image", "whatsapp/image"),
        ("STK-20240613-WA0000.webp (archivo adjunto)", "sticker", "whatsapp/sticker"),
        ("PTT-20240613-WA0000.opus (fichier joint)", "audio", "whatsapp/audio"),
        ("VID-20240613-WA0001 (1).mp4 (arquivo anexado)", "video", "whatsapp/video"),
        ("Bo Berg.vcf (bestand bijgevoegd)", "contacts", "whatsapp/contacts"),
        ("DOC-1.docx (liitetiedosto)", "document", "whatsapp/document"),
    ],
)  # fmt: skip
def test_a_medium_is_an_attachment_and_its_marker_is_marked(body, kind, content_type) -> None:
    for text, caption in ((body, ""), (f"{body}\nat the sea", "\nat the sea")):
        (message,) = messages(chat(said(text)))
        assert message.text == text
        assert message.content_type == content_type
        (attachment,) = message.attachments
        assert attachment.kind == kind
        (marker,) = message.source_metadata["markers"]
        assert marker["what"] == "media"
        assert text[marker["end"] :] == caption


def test_a_file_is_named_as_its_message_names_it() -> None:
    bodies = [
        "\u200e<attached: 1-PHOTO.jpg>",
        "IMG-1.jpg (file attached)",
        "a.pdf • \u200edocument omitted",
    ]
    names = [message.attachments[0].filename for message in messages(chat(said(*bodies)))]
    assert names == ["1-PHOTO.jpg", "IMG-1.jpg", "a.pdf"]


@pytest.mark.parametrize(
    "body",
    [
        "I sent <Media omitted> to you",
        "<3",
        "<b>bold</b>",
        "see (file attached)",
        "a.jpg (nice one)",
        "is the image omitted?",
        "this message was deleted by me, sorry",
        "<This message was fine>",
        "missed voice calls are rude",
        "Video call?",
        "Ann added you",
        "https://maps.example.org/?q=1,2",
        "poll: who comes?",
        "",
        " ",
        "null",
        "\u200e",
        "1/2/24 10:00 - Bo: hi",
    ],
)
def test_what_people_write_is_text(body) -> None:
    (message,) = messages(chat(said(body)))
    assert (message.text, message.content_type, message.attachments) == (body, "text/plain", ())
    assert set(message.source_metadata) == {"local_time"}


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("ok <This message was edited>", 2),
        ("ok \u200e<This message was edited>", 2),
        ("zwei\nZeilen <Diese Nachricht wurde bearbeitet.>", 11),
        ("vale <Se editó este mensaje.>", 4),
        ("d'accord <Ce message a été modifié>", 8),
        ("<Mensagem editada>", 0),
    ],
)
def test_an_edited_message_keeps_its_text_and_says_where_the_mark_is(text, end) -> None:
    (message,) = messages(chat(said(text)))
    assert message.text == text
    assert message.source_metadata["edited"] is True
    assert message.source_metadata["markers"] == [
        {"what": "edited", "start": end, "end": len(text)}
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("This message was deleted", "deletion"),
        ("\u200eThis message was deleted.", "deletion"),
        ("You deleted this message", "deletion"),
        ("Diese Nachricht wurde gelöscht.", "deletion"),
        ("Eliminaste este mensaje.", "deletion"),
        ("Ce message a été supprimé", "deletion"),
        ("Hai eliminato questo messaggio", "deletion"),
        ("Mensagem apagada", "deletion"),
        ("Dit bericht is verwijderd", "deletion"),
        ("Tämä viesti poistettiin", "deletion"),
        ("Bu mesaj silindi", "deletion"),
        ("Missed voice call", "call"),
        ("\u200eMissed voice call. \u200eTap to call back", "call"),
        ("\u200eVideo call, \u200e23 sec", "call"),
        ("Verpasster Videoanruf", "call"),
        ("Videollamada perdida", "call"),
        ("\u200eMessages and calls are end-to-end encrypted. No one outside", "system"),
        ("\u200eAnn created group “The team: Berlin”", "system"),
        ("\u200eBo added you", "system"),
        ("\u200eYour security code with Ann changed.", "system"),
    ],
)
def test_what_the_app_says_in_a_senders_name_is_an_event(body, kind) -> None:
    (event,) = chat(said(body))
    assert isinstance(event, ChannelEvent)
    assert (event.kind, event.actor, event.payload["text"]) == (kind, "Ann", body)
    assert event.occurred_at == datetime(2024, 6, 13, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "notice"),
    [
        ("Messages and calls are end-to-end encrypted. Only people in this chat can", "encryption"),
        ("Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Niemand", "encryption"),
        ('Ann created group "Team: Berlin"', "group_created"),
        ('Ann changed the subject from "A: B" to "C: D"', "subject_changed"),
        ("Ann hat Bo hinzugefügt", "added"),
        ("Ann added Bo and Carla", "added"),
        ("Ann removed Bo", "removed"),
        ("Bo left", "left"),
        ("Bo hat die Gruppe verlassen", "left"),
        ("Bo salió del grupo", "left"),
        ("You joined using this group's invite link", "joined"),
        ("Bo a rejoint le groupe", "joined"),
        ("+49 151 1 changed to +49 151 2", "number_changed"),
        ("Bo changed their phone number to a new number. Tap to message", "number_changed"),
        ("You're now an admin", "admin_changed"),
        ("Ann changed this group's icon", "picture_changed"),
        ("Ann changed the group description", "description_changed"),
        ("Your security code with Bo changed. Tap to learn more.", "security_code_changed"),
        ("Ann turned on disappearing messages. New messages", "disappearing_messages"),
        ("Ann pinned a message", "pinned"),
        ("You blocked this contact. Tap to unblock.", "contact"),
        ("This chat is with a business account. Tap to learn more.", "business"),
        ("Missed group voice call", "call"),
        ("Ann ölçüleri paylaştı", "other"),
    ],
)
def test_a_line_without_a_sender_is_a_notice(line, notice) -> None:
    (event,) = chat(f"13/06/24, 10:00 - {line}\n")
    assert isinstance(event, ChannelEvent)
    assert event.kind == ("call" if notice == "call" else "system")
    assert event.payload["notice"] == notice
    assert (event.actor, event.payload["text"]) == (None, line)


def test_a_place_and_a_poll_are_messages_of_their_kind() -> None:
    poll = "POLL:\nLunch?\nOPTION: Pizza (2 votes)\nOPTION: Rice (1 vote)"
    where, asked = messages(chat(said("location: https://maps.google.com/?q=52.5,-13.4", poll)))
    assert where.content_type == "whatsapp/location"
    assert where.source_metadata["location"]["longitude"] == "-13.4"
    assert (asked.content_type, asked.text) == ("whatsapp/poll", poll)
    voted = messages(chat(said(where.text, poll.replace("2 votes", "3 votes"))))
    assert voted[1].message_id == asked.message_id


# Names.


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["Kunde: Müller: <Media omitted>", "Kunde: Müller: hi"], "Kunde: Müller"),
        (["A: B: C: \u200eimage omitted", "A: B: C: hi"], "A: B: C"),
        (["Dr: Who: hi", "Dr: Who: yes", "Dr: Who: no"], "Dr: Who"),
        (["Bot: Note: hi", "Bot: Note: yes", "Bot: done"], "Bot"),
        (["Ann: Note: hi"], "Ann"),
        (["Ann: location: https://maps.google.com/?q=1,2"] * 3, "Ann"),
        (["Ann: look: \u200e<attached: 1.jpg>", "Ann: hi"], "Ann"),
        (["Ann:"], "Ann"),
    ],
)
def test_a_name_may_hold_a_colon_where_the_file_shows_it(lines, name) -> None:
    names = learn_names(lines)
    assert {names.split(line)[0] for line in lines} == {name}


def test_ids_do_not_depend_on_where_a_name_is_cut() -> None:
    short = said("Müller: hi", "Müller: yes", frame="13/06/24, 10:{:02} - Kunde: ")
    long = short + "13/06/24, 11:00 - Kunde: Müller: <Media omitted>\n"
    before, after = messages(chat(short)), messages(chat(long))
    assert [message.sender for message in before] == ["Kunde", "Kunde"]
    assert {message.sender for message in after} == {"Kunde: Müller"}
    assert [m.message_id for m in before] == [m.message_id for m in after[:2]]


# Ids.

LONG = "\n".join(
    f"{13 + n // 60}/06/24, 10:{n % 60:02} - {'Ann' if n % 3 else 'Bo'}: {'ok' if n % 2 else n}"
    for n in range(240)
)


def test_a_later_export_repeats_the_ids_of_an_earlier_one() -> None:
    whole = [message.message_id for message in messages(chat(LONG))]
    assert len(set(whole)) == 240
    lines = LONG.split("\n")
    for count in (1, 2, 100, 239):
        part = chat("\n".join(lines[:count]) + "\n")
        assert [message.message_id for message in messages(part)] == whole[:count]


def test_the_same_export_under_another_name_has_the_same_ids() -> None:
    whole = [message.message_id for message in messages(chat(LONG))]
    for name in ("export (1).txt", "WhatsApp Chat with Ann.txt", "a/b/WhatsApp Chat mit Bo.txt"):
        assert [message.message_id for message in messages(chat(LONG, name))] == whole


def test_ids_survive_line_breaks_marks_and_an_export_with_its_media() -> None:
    plain = said("hi", "<Media omitted>\nat the sea", "see you")
    whole = [message.message_id for message in messages(chat(plain))]
    for other in (
        plain.replace("\n", "\r\n"),
        "\ufeff" + plain,
        plain + "\n\n",
        plain.encode("utf-16"),
        plain.replace("<Media omitted>", "\u200eIMG-1.jpg (file attached)"),
    ):
        assert [message.message_id for message in messages(chat(other))] == whole


def test_equal_messages_of_a_minute_stay_apart_and_chats_do_too() -> None:
    frame = "13/06/24, 10:00 - Ann: "
    first = messages(chat(said("ok", "ok", "ok", frame=frame)))
    assert len({message.message_id for message in first}) == 3
    other = messages(chat("13/06/24, 09:00 - Bo: hi\n" + said("ok", frame=frame)))
    assert other[1].message_id not in {message.message_id for message in first}


def test_a_title_in_the_content_outlives_a_cut_beginning() -> None:
    notice = "[12.06.24, 09:00:00] Team: \u200eMessages and calls are end-to-end encrypted.\n"
    lines = said("a", "b", "c", frame="[13.06.24, 10:{:02}:00] Ann: ")
    whole = messages(chat(notice + lines))
    cut = messages(chat(notice + lines.split("\n", 1)[1]))
    assert [message.message_id for message in cut] == [m.message_id for m in whole[1:]]
    assert whole[0].source_metadata["chat"] == "Team"
    assert whole[0].conversation_id == cut[0].conversation_id


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("WhatsApp Chat with Ann Lee.txt", "Ann Lee"),
        ("WhatsApp Chat with Ann Lee (2).txt", "Ann Lee"),
        ("WhatsApp Chat - Ann.zip", "Ann"),
        ("3f2a-WhatsApp Chat with +49 151 2345.txt", "+49 151 2345"),
        ("WhatsApp_Chat_with_Ann_Lee.txt", "Ann Lee"),
        ("WhatsApp Chat mit Änn.txt", "Änn"),
        ("WhatsApp-Chat mit Bo.zip", "Bo"),
        ("Chat de WhatsApp con El equipo.txt", "El equipo"),
        ("Discussion WhatsApp avec Zoé.txt", "Zoé"),
        ("Chat WhatsApp con Bo.txt", "Bo"),
        ("Conversa do WhatsApp com Bo.txt", "Bo"),
        ("Conversa no WhatsApp com Bo.txt", "Bo"),
        ("WhatsApp-chat met Bo.txt", "Bo"),
        ("WhatsApp-keskustelu henkilön Bo kanssa.txt", "Bo"),
        ("Bo ile WhatsApp Sohbeti.txt", "Bo"),
        ("Чат WhatsApp с контактом Bo.txt", "Bo"),
        ("BoとのWhatsAppチャット.txt", "Bo"),
        ("与 WhatsApp 与 Bo 的对话.txt", "Bo"),
        ("_chat.txt", None),
        ("export.txt", None),
        ("WhatsApp.txt", None),
    ],
)
def test_a_title_is_read_from_the_names_that_phones_give(name, title) -> None:
    assert title_of(name) == title
    assert title_of(f"whatsapp/2026-01-05/{name}") == title
    assert is_transcript(name) == (name.endswith(".txt") and (title is not None or "_" in name))


# Archives.


def zipped(members: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


SHARED = {
    "IMG-1.jpg": b"\xff\xd8\xff picture",
    "list.xlsx": b"PK\x03\x04 sheet",
    "notes.json": b'{"message_id": "1", "text": "no message of this chat"}',
    "Carla.vcf": b"BEGIN:VCARD",
    "empty.txt": b"",
}


def test_the_media_of_a_chat_archive_are_listed_and_not_parsed() -> None:
    data = zipped({"WhatsApp Chat with Ann.txt": said("IMG-1.jpg (file attached)"), **SHARED})
    message, *events = chat(data, "x.zip")
    assert isinstance(message, Message)
    assert message.position == "WhatsApp Chat with Ann.txt: line 1"
    assert message.source_metadata["chat"] == "Ann"
    assert all(isinstance(event, ChannelEvent) and event.kind == "system" for event in events)
    assert [event.payload["filename"] for event in events] == list(SHARED)
    assert [event.payload["bytes"] for event in events] == [len(data) for data in SHARED.values()]
    assert message.attachments[0].filename == events[0].payload["filename"]


def test_an_archive_names_its_chat_with_its_own_name_or_its_members() -> None:
    inner = said("hi")
    android = messages(chat(zipped({"WhatsApp Chat with Ann.txt": inner}), "x.zip"))
    iphone = messages(chat(zipped({"_chat.txt": inner}), "WhatsApp Chat - Ann.zip"))
    assert android[0].conversation_id == iphone[0].conversation_id
    moved = messages(chat(zipped({"WhatsApp Chat with Ann.txt": inner}), "other.zip"))
    assert moved[0].message_id == android[0].message_id


def test_an_archive_without_a_chat_is_read_by_content() -> None:
    records = chat(zipped({"a.txt": said("hi"), **SHARED}), "x.zip")
    kinds = [type(record) for record in records]
    assert kinds.count(Message) == 2
    assert Quarantined in kinds


# What is not as it should be.


def test_an_order_that_nothing_shows_quarantines_the_object_with_the_setting() -> None:
    text = "03/04/24, 10:00 - Ann: hi\n03/04/24, 10:01 - Bo: ho\n"
    (record,) = chat(text, options=ParseOptions())
    assert isinstance(record, Quarantined)
    assert (record.code, record.position) == ("date_order_ambiguous", "object")
    assert "PAX_DATE_ORDER" in record.reason
    assert record.payload == text.rstrip("\n").encode()
    days = [m.sent_at.date().isoformat() for m in messages(chat(text))]
    assert days == ["2024-04-03", "2024-04-03"]


def test_a_bad_line_leaves_the_others() -> None:
    text = (
        "half a message\n13/06/24, 10:00 - Ann: a\n31/06/24, 10:00 - Ann: b\n"
        "13/06/24, 10:01 - Ann: c\n"
    )
    records = chat(text)
    assert [getattr(r, "code", None) or r.text for r in records] == [
        "no_header",
        "a",
        "bad_date",
        "c",
    ]
    assert [record.position for record in records] == [f"line {n}" for n in (1, 2, 3, 4)]


def test_a_message_without_end_is_quarantined_and_the_next_one_is_read() -> None:
    text = said("hi") + "x" * 700_000 + "\n" + "y" * 700_000 + "\n13/06/24, 11:00 - Ann: bye\n"
    large, last = chat(text)
    assert isinstance(large, Quarantined)
    assert large.code == "record_too_large"
    assert "1400020" in large.reason or "14000" in large.reason
    assert isinstance(last, Message)
    assert (last.text, last.position) == ("bye", "line 4")


@pytest.mark.parametrize(
    "body",
    [
        " " * 900_000 + "x>",
        "<a:" + " " * 900_000 + "x>",
        "\u200e" * 300_000 + ">",
        "<a:" + "\u200e" * 300_000 + "b.jpg>",
        "<a: b.c" * 120_000 + ")",
        "\u200e" + "a.b " * 200_000,
        "\u200e" + ": " * 400_000,
        "POLL:\n" + " (" * 400_000 + ")",
        "hat die gruppe " * 60_000,
    ],
)
def test_hostile_messages_cost_little(body) -> None:
    begin = time.process_time()
    (message,) = messages(chat(said(body)))
    assert message.text == body
    assert time.process_time() - begin < 3


def test_years_without_messages_give_the_time_of_arrival() -> None:
    for year in ("1970", "9999"):
        (message,) = messages(chat(f"13/06/{year}, 10:00 - Ann: hi\n"))
        assert (message.sent_at, message.sent_at_precision) == (RECEIVED, "received")
        assert message.source_metadata["local_time"] == f"{year}-06-13T10:00"


def test_a_file_that_an_editor_saved_in_another_charset_keeps_its_words() -> None:
    (message,) = messages(chat("13/06/24, 10:00 - Jörg: schön\nund gut\n".encode("cp1252")))
    assert (message.sender, message.text) == ("Jörg", "schön\nund gut")
    assert message.source_metadata["charset"] == "cp1252"


def test_an_export_on_another_channel_says_where_it_belongs() -> None:
    (record,) = parse(said("hi").encode(), "sms", "x", received_at=RECEIVED)
    assert isinstance(record, Quarantined)
    assert (record.code, "whatsapp/" in record.reason) == ("wrong_channel", True)


def test_a_stream_is_read_to_its_end_even_where_nothing_comes_of_it() -> None:
    stream = io.BytesIO(b"03/04/24, 10:00 - Ann: hi\n" * 60_000)
    list(parse(stream, "whatsapp", "x", received_at=RECEIVED))
    assert stream.read() == b""


def test_memory_does_not_grow_with_the_chat(monkeypatch) -> None:
    monkeypatch.setattr(chat_export, "SAMPLE_LINES", 1000)
    monkeypatch.setattr(chat_records, "_EQUALS", 500)

    class Lines:
        """A stream of so many lines that is nowhere as a whole."""

        def __init__(self, count: int) -> None:
            at = datetime(2020, 1, 13)
            self._lines = (
                f"{at + timedelta(hours=n % 99):%d/%m/%y, %H:%M} - Ann: {n:0999}\n".encode()
                for n in range(count)
            )

        def read(self, size: int) -> bytes:
            return b"".join(islice(self._lines, max(1, size // 1100)))

    def peak(count: int) -> int:
        tracemalloc.start()
        found = parse(Lines(count), "whatsapp", "x", received_at=RECEIVED)  # type: ignore[arg-type]
        assert sum(1 for _ in found) == count
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    # From some MB on all buffers are full.
    assert peak(10_000) < 1.1 * peak(5_000)


# Properties.

_NAMES = st.text(
    st.characters(
        blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Cf", "Zs"], blacklist_characters=":"
    ),
    min_size=1,
    max_size=20,
)
_WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"), max_size=60)
_STYLES = st.sampled_from(
    [
        ("{d:02}/{m:02}/{y:04}, {H:02}:{M:02} - ", False),
        ("{m}/{d}/{yy:02}, {h}:{M:02}\u202f{p} - ", False),
        ("[{d:02}.{m:02}.{yy:02}, {H:02}:{M:02}:{S:02}] ", True),
        ("\u200e[{y:04}-{m:02}-{d:02} {h}:{M:02}:{S:02} {p}] ", True),
        ("{d}.{m}.{y} klo {H}.{M:02} - ", False),
        ("{d}. {m}. {y}. {H:02}:{M:02}:{S:02} ", True),
        ("{d:02}.{m:02}.{yy:02} {H:02}.{M:02}.{S:02}: ", True),
        ("{y}/{m}/{d} {cjk}{h}:{M:02} - ", False),
        ("{d}/{m}/{y} {h}:{M:02} {es} - ", False),
    ]
)


def rendered(style: str, at: datetime) -> str:
    noon = at.hour >= 12
    return style.format(
        d=at.day, m=at.month, y=at.year, yy=at.year % 100, H=at.hour, h=at.hour % 12 or 12,
        M=at.minute, S=at.second, p="PM" if noon else "AM", cjk="下午" if noon else "上午",
        es="p.\u00a0m." if noon else "a.\u00a0m.",
    )  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    style=_STYLES,
    said=st.lists(
        st.tuples(st.datetimes(datetime(2013, 1, 1), datetime(2025, 1, 1)), _NAMES, _WORDS),
        min_size=1,
        max_size=6,
    ),
)
def test_a_rendered_chat_is_read_back_as_it_was(style, said) -> None:
    form, seconds = style
    # A day above 12 shows the order, and the last line has no blank lines that the file ends with.
    said = [(datetime(2012, 12, 31, 10, 0), "Ann", "first"), *said]
    said.append((datetime(2025, 6, 13, 10, 0), "Ann", "last"))
    lines = [f"{rendered(form, at)}{name}: {text}" for at, name, text in said]
    records = chat("\n".join(lines), options=ParseOptions(default_zone="UTC"))
    if any(rendered(form, at) in text for at, _, text in said):
        return
    assert len(records) == len(said)
    for record, (at, name, text) in zip(records, said, strict=True):
        at = at.replace(microsecond=0) if seconds else at.replace(second=0, microsecond=0)
        if isinstance(record, Message):
            assert (record.text, record.sent_at) == (text, at.replace(tzinfo=UTC))
            assert record.sender == normalize("NFC", name)


_FRAGMENTS = st.sampled_from(
    [
        b"13/06/24, 10:00 - Ann: ", b"\n", b"\r\n", b"[13.06.24, 10:00:00] ", b"Ann: ", b": ",
        b"\xe2\x80\x8e", b"\xe2\x80\xaf", b"<attached: a.jpg>", b"<Media omitted>",
        b" (file attached)",
        b"31/02/24, 25:61 PM - ", b"\xd9\xa1\xd9\xa5/\xd9\xa8/\xd9\xa2\xd9\xa0, ", b"\x00", b"\xff",
        b"location: https://maps.google.com/?q=1,2", b"POLL:\n", b'"', b"<This message was edited>",
        b"Ann created group \"a: b\"",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(st.one_of(_FRAGMENTS, st.binary(max_size=6)), max_size=25),
    options=st.sampled_from([OPTIONS, ParseOptions()]),
)
def test_no_bytes_make_it_raise_and_a_replay_is_equal(parts, options) -> None:
    data = b"13/06/24, 10:00 - Ann: a" + b"".join(parts)
    first = chat(data, options=options)
    assert chat(data, options=options) == first
    assert first
    assert not any(isinstance(r, Quarantined) and r.code == "parser_error" for r in first)
    kept = b"".join(record.payload for record in first if isinstance(record, Quarantined))
    assert len(kept) <= len(data)
