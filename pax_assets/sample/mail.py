"""Landed mails as RFC 5322 bytes, in the variety in which mail programs write them.

The standard library's generator would write every mail alike. Parsers have to cope with quoted
printable and base64, old charsets, folded headers and absent ids, so each form is written out.
"""

from __future__ import annotations

import base64
import html
import quopri
from email.header import Header

from pax_assets.sample.timeline import JOURNAL, LandedMessage


def render(mail: LandedMessage) -> bytes:
    """Return the bytes of a mail as it left the mail server (CRLF line ends)."""
    headers = _headers(mail)
    if mail.form == "html":
        boundary = f"=_{mail.conversation.id}_{mail.number}"
        headers.append(f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"')
        plain = _part("text/plain", "utf-8", "quoted-printable", mail.text)
        rich = _part("text/html", "utf-8", "quoted-printable", _html(mail.text))
        body = f"--{boundary}\r\n{plain}\r\n--{boundary}\r\n{rich}\r\n--{boundary}--\r\n"
    else:
        kind, charset, encoding = {
            "html_only": ("text/html", "utf-8", "quoted-printable"),
            "base64": ("text/plain", "utf-8", "base64"),
            "latin1": ("text/plain", "iso-8859-1", "8bit"),
        }.get(mail.form, ("text/plain", "utf-8", "quoted-printable"))
        text = _html(mail.text) if kind == "text/html" else mail.text
        part = _part(kind, charset, encoding, text)
        return ("\r\n".join(headers) + "\r\n").encode("ascii") + part.encode(
            "iso-8859-1" if encoding == "8bit" else "ascii"
        )
    return ("\r\n".join(headers) + "\r\n\r\n" + body).encode("ascii")


def _headers(mail: LandedMessage) -> list[str]:
    headers = []
    if mail.message.inbound:
        headers.append(f"Delivered-To: {JOURNAL}")
        headers.append(
            f"Received: from mx.example by mail.pax-sample.example\r\n"
            f"\twith ESMTPS id {mail.native_id[:10]}; {mail.date_header}"
        )
    headers.append(f"From: {_display(mail.sender.name)} <{mail.sender.mail}>")
    receiver = f"{_display(mail.receiver.name)} <{mail.receiver.mail}>"
    if mail.form == "folded":
        receiver = f"{_display(mail.receiver.name)}\r\n <{mail.receiver.mail}>"
    headers.append(f"To: {receiver}")
    subject = mail.subject
    headers.append(
        "Subject: " + (subject.replace(" ", "\r\n ") if mail.form == "folded" else subject)
    )
    headers.append(f"Date: {mail.date_header}")
    if mail.form != "no_id":
        headers.append(f"Message-ID: <{mail.native_id}>")
    if mail.parent_id:
        headers.append(f"In-Reply-To: <{mail.parent_id}>")
        chain = dict.fromkeys((mail.thread_id, mail.parent_id))
        headers.append("References: " + "\r\n ".join(f"<{name}>" for name in chain))
    headers.append("MIME-Version: 1.0")
    return headers


def _display(name: str) -> str:
    return name if name.isascii() and "'" not in name else Header(name, "utf-8").encode()


def _part(kind: str, charset: str, encoding: str, text: str) -> str:
    """Return a MIME part: its headers, a blank line, the encoded text."""
    head = (
        f"Content-Type: {kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    wire = text.replace("\n", "\r\n")
    if encoding == "base64":
        return head + base64.encodebytes(wire.encode(charset)).decode().replace("\n", "\r\n")
    if encoding == "8bit":
        return head + wire
    # Encoding the text with LF ends keeps them as line breaks; CRLF would turn into =0D.
    coded = quopri.encodestring(text.encode(charset)).decode("ascii")
    return head + coded.replace("\n", "\r\n")


def _html(text: str) -> str:
    paragraphs = "".join(
        "<p>" + html.escape(block).replace("\n", "<br>\n") + "</p>\n"
        for block in text.strip().split("\n\n")
    )
    style = "<style>p {margin: 0 0 1em}</style>"
    return f"<html><head>{style}</head><body>\n{paragraphs}</body></html>\n"
