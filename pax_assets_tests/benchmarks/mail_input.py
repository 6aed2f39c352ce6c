"""The input of `bench-mail`: real mails where the data folder has them, else generated ones.

A parser is fast on mail that its author wrote, so the real corpus counts; whoever has none still
gets a number, of mails with the same parts: headers of transport, encoded words, multiparts,
quotes, signatures.
"""

from __future__ import annotations

import os
import random
from email.message import EmailMessage
from pathlib import Path

DAY = "2026-01-05"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "spamassassin_ham"
_GENERATED = 2_500
_MOMENT = "Mon, 05 Jan 2026 10:00:00 +0000"
_WORDS = ["order", "invoice", "meeting", "delivery", "please", "confirm", "number", "Grüße"]


def mails() -> tuple[list[bytes], str]:
    """Return the distinct mails, and a word for where they come from."""
    real = [path.read_bytes() for path in sorted(REAL.glob("0*.txt"))]
    if real:
        return real, "spamassassin_ham"
    random.seed(13)
    return [_mail(number) for number in range(_GENERATED)], "generated"


def land(landing: Path, distinct: list[bytes], count: int) -> int:
    """Write at least `count` objects, all distinct ones equally often; return how many."""
    folder = landing / "email" / DAY
    folder.mkdir(parents=True)
    copies = -(-count // len(distinct))
    for copy in range(copies):
        for number, mail in enumerate(distinct):
            (folder / f"{copy:03}-{number:05}.eml").write_bytes(mail)
    # The pages of this input are no business of the first round.
    os.sync()
    return copies * len(distinct)


def _sentence(words: int) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(words))


def _mail(number: int) -> bytes:
    mail = EmailMessage()
    for hop in range(4):
        mail["Received"] = (
            f"from a{hop}.example.com by b.example.com; Mon, 05 Jan 2026 10:00:00 +0000"
        )
    mail["From"] = f"Ann Müller <ann{number % 50}@example.com>"
    mail["To"] = ", ".join(f"bo{n}@example.com" for n in range(1 + number % 4))
    mail["Subject"] = _sentence(6)
    mail["Date"] = _MOMENT
    mail["Message-ID"] = f"<{number}@example.com>"
    mail["References"] = " ".join(f"<{number - n}@example.com>" for n in range(1, 1 + number % 5))
    quoted = "\n".join(f"> {_sentence(9)}" for _ in range(number % 12))
    attribution = "On Mon, 5 Jan 2026, Bo <bo@example.com> wrote:\n" if quoted else ""
    own = "\n\n".join(_sentence(40) for _ in range(1 + number % 3))
    text = f"{own}\n\n{attribution}{quoted}\n\n-- \nAnn Müller\n"
    mail.set_content(text, cte="8bit" if number % 2 else "quoted-printable")
    if number % 5 == 0:
        mail.add_alternative(f"<p>{own}</p><p>Ann</p>", subtype="html")
    if number % 20 == 0:
        mail.add_attachment(bytes(2000), maintype="image", subtype="png", filename="a.png")
    return mail.as_bytes()
