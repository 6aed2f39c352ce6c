"""Names for the sample: people, organisations, places, goods, sums and times, apart by split.

A model that has seen a name in training can tag it by memory. Every word of the pools therefore
belongs to one split for ever, decided by a hash of the word and by nothing else: no seed, and no
later addition to a pool, can move a held-out name into training. Sums of money and times are open
classes that repeat in real traffic ("tomorrow"), so they are the same in all splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from random import Random

from pax_assets.nlp.documents import Split

_VOWELS = ("a", "e", "i", "o", "u", "ia", "eo", "y")
_ONSETS = (
    "b",
    "c",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "cl",
    "dr",
    "fl",
    "gr",
    "kr",
    "pl",
    "st",
    "tr",
    "qu",
    "x",
)
_CODAS = ("", "", "n", "r", "x", "l", "s", "m", "th", "nt", "vex", "do", "ra", "va", "li")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_RELATIVE = (
    "tomorrow",
    "today",
    "tonight",
    "next week",
    "this afternoon",
    "tomorrow morning",
    "next Tuesday",
    "this evening",
    "next month",
    "later today",
    "yesterday",
    "the day after tomorrow",
)


@cache
def pools() -> dict[str, tuple[str, ...]]:
    """Return every pool of `data/names.txt` by its section's name."""
    out: dict[str, list[str]] = {}
    section = ""
    text = (files("pax_assets.sample") / "data" / "names.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
            out[section] = []
        elif line and not line.startswith("#"):
            out[section].extend(value.strip() for value in line.split(","))
    return {name: tuple(dict.fromkeys(values)) for name, values in out.items()}


def split_of(word: str) -> Split:
    """Return the split to which a word of the pools belongs, whatever the seed."""
    bucket = hashlib.sha256(word.casefold().encode()).digest()[0] % 20
    return "train" if bucket < 12 else "dev" if bucket < 15 else "test"


@cache
def pool(name: str, split: Split) -> tuple[str, ...]:
    """Return the part of a pool that belongs to `split`."""
    return tuple(value for value in pools()[name] if split_of(value) == split)


def _own(split: Split, draw: Callable[[], str]) -> str:
    """Draw until the word belongs to `split`."""
    while split_of(word := draw()) != split:
        pass
    return word


def coined(rng: Random, split: Split) -> str:
    """Return an invented word such as `Corvex`."""

    def draw() -> str:
        word = rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_ONSETS[:16])
        return (word + rng.choice("aeiou") + rng.choice(_CODAS)).title()

    return _own(split, draw)


def person(rng: Random, split: Split) -> tuple[str, str]:
    """Return a first name and a surname."""
    return rng.choice(pool("first_names", split)), rng.choice(pool("surnames", split))


def organization(rng: Random, split: Split) -> tuple[str, str]:
    """Return the full and the short name of an organisation."""
    shared = pools()
    kind = rng.random()
    suffix = rng.choice(shared["org_suffixes"])
    if kind < 0.35:
        short = coined(rng, split)
        tail = rng.choice((suffix, rng.choice(shared["org_forms"]), ""))
        return f"{short} {tail}".strip(), short
    if kind < 0.75:
        short = rng.choice(pool("org_words", split))
        return f"{short} {suffix}", rng.choice((short, f"{short} {suffix}"))
    surname = rng.choice(pool("surnames", split))
    if kind < 0.85:
        partner = rng.choice(pool("surnames", split))
        full = rng.choice((f"{surname} & Sons", f"{surname} & {partner}", f"{surname} Brothers"))
        return full, full
    full = f"{surname} {suffix}"
    return full, full


def location(rng: Random, split: Split) -> tuple[str, str]:
    """Return a place and the preposition that goes with it."""
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(pool("cities", split)), "in"
    if kind < 0.8:
        street = rng.choice(pool("street_words", split))
        form = rng.choice(("Street", "Lane", "Road", "Square", "Avenue"))
        number = f"{rng.randint(1, 240)} " if rng.random() < 0.6 else ""
        return f"{number}{street} {form}", "at" if number else "on"
    venue = rng.choice(pool("venues", split))
    return rng.choice(("Hotel {}", "Café {}", "{} Hall", "{} Tower", "Restaurant {}")).format(
        venue
    ), "at"


def product(rng: Random, split: Split) -> str:
    """Return a kind of goods or a branded product."""
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(pool("goods", split))
    brand = coined(rng, split)
    if kind < 0.85:
        return f"{brand} {rng.choice(('Pro', 'Mini', 'X', 'Plus', str(rng.randint(2, 900))))}"
    return f"{brand} {rng.choice(pools()['product_nouns'])}s"


def money(rng: Random) -> str:
    """Return a sum with its currency."""
    amount = rng.choice(
        (
            rng.randint(5, 99),
            rng.randint(10, 99) * 10,
            rng.randint(1, 99) * 100,
            rng.randint(1, 9500),
        )
    )
    grouped = f"{amount:,}"
    form = rng.randrange(8)
    if form < 3:
        cents = rng.choice(("", "", ".50", f".{rng.randint(10, 99)}"))
        return f"{rng.choice('€$£$€')}{grouped}{cents}"
    if form == 3:
        return f"{rng.randint(1, 90)}k {rng.choice(('USD', 'EUR', 'euros', 'dollars'))}"
    if form == 4:
        return f"{rng.choice(('EUR', 'USD', 'GBP', 'CHF'))} {grouped}"
    if form == 5:
        return f"{amount} {rng.choice(('USD', 'EUR', 'GBP', 'CHF', 'PLN', 'SEK'))}"
    return f"{grouped} {rng.choice(('euros', 'dollars', 'pounds', 'euro', 'francs', 'crowns'))}"


def _clock(rng: Random) -> str:
    hour = rng.randint(7, 20)
    twelve = (hour - 1) % 12 + 1
    half = "am" if hour < 12 else "pm"
    minute = rng.choice(("00", "15", "30", "45"))
    return rng.choice(
        (
            f"{hour}:{minute}",
            f"{twelve}{half}",
            f"{twelve} {half}",
            f"{twelve}:{minute} {half}",
            "noon",
        )
    )


def time(rng: Random, *, chat: bool) -> tuple[str, str]:
    """Return a time and its preposition (may be empty)."""
    kind = rng.random()
    weekday = rng.choice(_SHORT_WEEKDAYS if chat and rng.random() < 0.4 else _WEEKDAYS)
    if kind < 0.27:
        word = rng.choice(_RELATIVE)
        return ("tmrw" if chat and word == "tomorrow" and rng.random() < 0.5 else word), ""
    if kind < 0.45:
        return _clock(rng), "at"
    if kind < 0.62:
        return weekday, "on"
    if kind < 0.76:
        joint = rng.choice((" at ", " ", ", "))
        return f"{weekday}{joint}{_clock(rng)}", "on"
    day, month = rng.randint(1, 28), rng.choice(_MONTHS)
    if kind < 0.94:
        number = _MONTHS.index(month) + 1
        return rng.choice(
            (
                f"{day} {month}",
                f"{month} {day}",
                f"{day} {month[:3]}",
                f"2026-{number:02d}-{day:02d}",
                f"{day:02d}/{number:02d}",
                f"{weekday}, {day} {month}",
            )
        ), "on"
    return month, "in"


def literal(kind: str, rng: Random) -> str:
    """Return filler that looks like a name or a number and is annotated as nothing.

    `kind` is q (a quantity), n (a number), ref (a reference), phone or title (a job).
    """
    if kind == "n":
        return str(rng.randint(2, 480))
    if kind == "q":
        count = rng.choice((str(rng.randint(2, 400)), "two", "a dozen", "fifty", "three"))
        unit = rng.choice(("", " boxes of", " pallets of", " units of", " crates of", " sets of"))
        return count + unit
    if kind == "ref":
        return rng.choice(("PO-{}", "order #{}", "INV {}", "ticket {}", "#{}")).format(
            rng.randint(1000, 99999)
        )
    if kind == "phone":
        return f"+{rng.randint(1, 99)} {rng.randint(20, 999)} {rng.randint(100000, 9999999)}"
    if kind == "title":
        return rng.choice(pools()["job_titles"])
    raise ValueError(f"unknown filler {kind!r} in a template: use q, n, ref, phone or title")
