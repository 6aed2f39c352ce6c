"""Who is in a sample conversation: a circle of people, their employers, goods and places.

Templates filled with independent random names would claim that one person works for a different
company in every message. A circle keeps the stated facts consistent (employer, boss, home of a
company, what it sells) while negative and neutral clauses still mix everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from pax_assets.nlp.documents import Split
from pax_assets.sample import names
from pax_assets.sample.grammar import Template


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the sample; `employer` is the full name of an organisation."""

    first: str
    last: str
    employer: str
    phone: str
    mail: str

    @property
    def name(self) -> str:
        """First name and surname."""
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation with its home (place, preposition), what it sells and who works there."""

    name: str
    short: str
    home: tuple[str, str]
    goods: tuple[str, ...]
    staff: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Circle:
    """People and organisations that turn up together in some conversations."""

    split: Split
    organizations: tuple[Organization, ...]
    places: tuple[tuple[str, str], ...]

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody in the circle."""
        return tuple(p for o in self.organizations for p in o.staff)


@dataclass(slots=True)
class Binding:
    """What each slot of one template stands for."""

    people: dict[str, Person] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    goods: dict[str, str] = field(default_factory=dict)


def _ascii(word: str) -> str:
    folded = word.casefold().translate(str.maketrans("øłßðþ", "olsdt"))
    return "".join(c for c in folded if c.isascii() and c.isalnum()) or "x"


def new_organization(rng: Random, split: Split, staff: int = 4) -> Organization:
    """Invent an organisation and the people who work there."""
    name, short = names.organization(rng, split)
    domain = _ascii(short) + rng.choice((".example", ".test"))
    people = []
    for _ in range(staff):
        first, last = names.person(rng, split)
        phone = f"+1{rng.randint(202, 989)}555{rng.randint(100, 199):04d}"
        people.append(Person(first, last, name, phone, f"{_ascii(first)}.{_ascii(last)}@{domain}"))
    goods = tuple(dict.fromkeys(names.product(rng, split) for _ in range(4)))
    return Organization(name, short, names.location(rng, split), goods, tuple(people))


def new_circle(rng: Random, split: Split) -> Circle:
    """Invent three organisations, their people and some further places."""
    organizations: dict[str, Organization] = {}
    while len(organizations) < 3:
        organization = new_organization(rng, split)
        organizations.setdefault(organization.short, organization)
    places = tuple(names.location(rng, split) for _ in range(4))
    return Circle(split, tuple(organizations.values()), places)


def bind(template: Template, slots: set[str], circle: Circle, rng: Random, author: Person | None):
    """Return a `Binding` for the lower-case `slots` of a template under its stated relations.

    Slots get pairwise different values. Slot p1 is `author` where one is given. One organisation
    in four and two people in five are strangers to the circle, so that names stay varied.
    """
    out = Binding()
    links = [(kind, a.lower(), b.lower()) for kind, a, b in template.relations]
    available = list(circle.organizations)
    rng.shuffle(available)
    if author is None:
        available = [
            new_organization(rng, circle.split) if rng.random() < 1 / 4 else o for o in available
        ]
    else:
        available.sort(key=lambda o: o.name != author.employer)
    shorts: set[str] = set()

    def next_organization() -> Organization:
        while True:
            found = available.pop(0) if available else new_organization(rng, circle.split)
            if found.short not in shorts:
                shorts.add(found.short)
                return found

    for slot in sorted(s for s in slots if s[0] == "o"):
        out.organizations[slot] = next_organization()
    employers = {a: out.organizations[b] for kind, a, b in links if kind == "works_for"}
    for kind, a, b in links:
        if kind == "reports_to":
            shared = employers.get(a) or employers.get(b) or next_organization()
            employers[a] = employers[b] = shared
    if author is not None:
        out.people["p1"] = author
    taken = {p.first for p in out.people.values()}
    for slot in sorted(s for s in slots if s[0] in "ps" and s not in out.people):
        crowd = employers[slot].staff if slot in employers else circle.people
        free = [p for p in crowd if p.first not in taken]
        if slot not in employers and (not free or rng.random() < 0.4):
            free = [p for p in new_organization(rng, circle.split, 6).staff if p.first not in taken]
        while not free:
            extra = new_organization(rng, circle.split, 6).staff
            free = [p for p in extra if p.first not in taken]
        out.people[slot] = rng.choice(free)
        taken.add(out.people[slot].first)
    _bind_things(out, links, slots, circle, rng)
    return out


def _bind_things(
    out: Binding,
    links: list[tuple[str, str, str]],
    slots: set[str],
    circle: Circle,
    rng: Random,
) -> None:
    """Choose places and goods: those that a relation demands, else any that is not yet used."""
    for slot in sorted(s for s in slots if s[0] == "l"):
        homes = [out.organizations[a].home for k, a, b in links if k == "located_in" and b == slot]
        value = homes[0] if homes else rng.choice(circle.places)
        while value in out.places.values():
            value = names.location(rng, circle.split)
        out.places[slot] = value
    for slot in sorted(s for s in slots if s[0] == "g"):
        sellers = [out.organizations[a] for k, a, b in links if k == "supplies" and b == slot]
        crowd = sellers or circle.organizations
        value = rng.choice(rng.choice(crowd).goods)
        while value in out.goods.values():
            value = names.product(rng, circle.split)
        out.goods[slot] = value
