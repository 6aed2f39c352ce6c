"""Which library finds addresses, numbers and links in messages: right answers and time.

Run it as `python -m pax_assets_tests.benchmarks.recognizers`; it prints one line a library, each
measured in a process of its own. `right` are cases (below) whose spans are all found and nothing
else of that type. Times are for the UCI SMS collection where `../shared/data` is there, and for
100,000 characters of the worst repetition. Libraries that are not installed are left out.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

# Type, start, end.
Found = Iterable[tuple[str, int, int]]
Finder = Callable[[str], Found]

_SMS = Path(__file__).resolve().parents[3] / "shared/data/uci_sms/SMSSpamCollection"
# Type, text, what of it should be found. Written by this project.
CASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("email_address", "mail Anna@example.com, please", ("Anna@example.com",)),
    ("email_address", "请联系anna@example.com谢谢", ("anna@example.com",)),
    ("email_address", "to user@example.com.Thanks", ("user@example.com",)),
    ("email_address", "so anna...bob@x.com", ("bob@x.com",)),
    ("email_address", "müller@straße.de", ("müller@straße.de",)),
    ("email_address", "see you@home. Then we go @ 5", ()),
    (
        "url",
        "see https://en.wikipedia.org/wiki/Foo_(bar).",
        ("https://en.wikipedia.org/wiki/Foo_(bar)",),
    ),
    ("url", "(http://x.com/a) and [http://y.com]!", ("http://x.com/a", "http://y.com")),
    ("url", "log in at bank.com and bbc.co.uk", ("bank.com", "bbc.co.uk")),
    ("url", "http://localhost:3000/v1?q=1", ("http://localhost:3000/v1?q=1",)),
    ("url", "«https://例子.中国/路径»", ("https://例子.中国/路径",)),
    ("url", "bit.ly/3xyz", ("bit.ly/3xyz",)),
    ("url", "later.is that ok.So life.you know", ()),
    ("url", "MY LIKING.BE THAT, script.py, readme.md", ()),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00 and", ("DE89 3704 0044 0532 0130 00",)),
    ("iban", "gb82west12345698765432", ("gb82west12345698765432",)),
    ("iban", "NL91-ABNA-0417-1643-00", ("NL91-ABNA-0417-1643-00",)),
    ("iban", "BE68\u00a05390\u202f0754\u202f7034", ("BE68\u00a05390\u202f0754\u202f7034",)),
    ("iban", "DE89370400440532013001", ()),
    ("card_number", "Card 4111 1111 1111 1111 12/28 123", ("4111 1111 1111 1111",)),
    ("card_number", "378282246310005, 3782 822463 10005", ("378282246310005", "3782 822463 10005")),
    ("card_number", "4111.1111.1111.1111", ("4111.1111.1111.1111",)),
    ("card_number", "4111\u202f1111\u202f1111\u202f1111", ("4111\u202f1111\u202f1111\u202f1111",)),
    ("card_number", "4111111111111112 1111111111111117", ()),
    ("phone_number", "Call +1 415 555 2671 now", ("+1 415 555 2671",)),
    ("phone_number", "(415) 555-2671 ext. 12", ("(415) 555-2671 ext. 12",)),
    (
        "phone_number",
        "+33\u202f6\u202f12\u202f34\u202f56\u202f78",
        ("+33\u202f6\u202f12\u202f34\u202f56\u202f78",),
    ),
    ("phone_number", "+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", ("+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧",)),
    ("phone_number", "INV-4155552671, on 2012-01-02 08:00", ()),
    ("phone_number", "IBAN DE89 3704 0044 0532 0130 00", ()),
)
_WORST = ("1 ", "1/1/", ".", "a.", "4155552671 ", "(1", "@")
_WORST_SIZE = 100_000
_WORST_LIMIT = 60


def _pax() -> tuple[Finder, set[str]]:
    from pax_assets.nlp.recognizers import TYPES, Recognizers

    recognizers = Recognizers("US")
    return lambda text: [(r.type, r.start, r.end) for r in recognizers.find(text)], set(TYPES)


def _phonenumbers() -> tuple[Finder, set[str]]:
    from phonenumbers import PhoneNumberMatcher

    return (
        lambda text: [("phone_number", m.start, m.end) for m in PhoneNumberMatcher(text, "US")],
        {"phone_number"},
    )


def _linkify() -> tuple[Finder, set[str]]:
    from linkify_it import LinkifyIt

    linkify = LinkifyIt()

    def find(text: str) -> Found:
        for match in linkify.match(text) or []:
            kind = "email_address" if match.schema == "mailto:" else "url"
            yield kind, match.index, match.last_index

    return find, {"email_address", "url"}


def _presidio() -> tuple[Finder, set[str]]:
    import logging

    from presidio_analyzer import predefined_recognizers as predefined

    logging.disable()
    kinds = {
        "email_address": predefined.EmailRecognizer(),
        "url": predefined.UrlRecognizer(),
        "iban": predefined.IbanRecognizer(),
        "card_number": predefined.CreditCardRecognizer(),
        "phone_number": predefined.PhoneRecognizer(),
    }

    def find(text: str) -> Found:
        for kind, recognizer in kinds.items():
            for result in recognizer.analyze(text, recognizer.supported_entities, None):
                yield kind, result.start, result.end

    return find, set(kinds)


_LIBRARIES: dict[str, Callable[[], tuple[Finder, set[str]]]] = {
    "pax": _pax,
    "phonenumbers": _phonenumbers,
    "linkify-it-py": _linkify,
    "presidio": _presidio,
}


def measure(library: str) -> str:
    """Return one line of measurements, taken in this process."""
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    find, kinds = _LIBRARIES[library]()
    list(find("call +1 415 555 2671, 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00"))
    load = time.perf_counter() - started
    cases = [case for case in CASES if case[0] in kinds]
    right = sum(_is_right(find, *case) for case in cases)
    line = f"{library:14} right={right}/{len(cases)} load_s={load:.2f}"
    if _SMS.exists():
        rows = _SMS.read_text(encoding="utf-8", errors="replace").splitlines()
        texts = [row.partition("\t")[2] for row in rows]
        started = time.perf_counter()
        found = sum(len(list(find(text))) for text in texts)
        spent = time.perf_counter() - started
        line += f" sms_found={found} us_per_text_sms={spent / len(texts) * 1e6:.0f}"
    memory = (process.memory_info().rss - before) / 2**20
    worst, unit = max((_seconds(library, unit), unit) for unit in _WORST)
    shown = f">{_WORST_LIMIT}" if worst >= _WORST_LIMIT else f"{worst:.1f}"
    return f"{line} rss_mib={memory:.0f} worst_s={shown} worst={unit!r}"


def _is_right(find: Finder, kind: str, text: str, expected: tuple[str, ...]) -> bool:
    return tuple(text[s:e] for k, s, e in sorted(find(text)) if k == kind) == expected


def _seconds(library: str, unit: str) -> float:
    """Time 100,000 characters of `unit` in a process that can be ended."""
    command = [sys.executable, "-m", __spec__.name, library, unit]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_WORST_LIMIT
        )
    except subprocess.TimeoutExpired:
        return _WORST_LIMIT
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure every installed library, each in a fresh process."""
    if len(sys.argv) == 3:
        find, _ = _LIBRARIES[sys.argv[1]]()
        list(find("call +1 415 555 2671"))
        started = time.perf_counter()
        list(find((sys.argv[2] * _WORST_SIZE)[:_WORST_SIZE]))
        print(time.perf_counter() - started)
        return
    if len(sys.argv) == 2:
        print(measure(sys.argv[1]))
        return
    for library in _LIBRARIES:
        command = [sys.executable, "-m", __spec__.name, library]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = (done.stdout or done.stderr).strip().splitlines()[-1]
        print(last if done.returncode == 0 else f"{library:14} left out: {last}")


if __name__ == "__main__":
    main()
