"""Whom to erase: a person's addresses, in every spelling that bytes and tables may hold.

Parsers write one spelling of an address, providers and people write many: `+1 555 010-0001`,
`(555) 010-0001`, `001 5550100001`, `whatsapp:+15550100001`, `Ann@Example.org`. A number that is
part of a longer one is another number, and so is the same national number in another country.
"""

# pyarrow.compute makes its functions when it is imported; a type checker does not see them.
# pyright: reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pax_assets.jobs.identities.identity import kind_of, participant_id
from pax_assets.messages.addresses import mailboxes, phone, whatsapp_number

_BETWEEN = r"[\s().\-/]{0,3}"
_DIGITS = re.compile(r"\d{7,}")
# Names of places, and digests: no address is looked for in them.
PLACES = frozenset({"raw_uri", "path", "raw_position", "position", "source"})


class NotAnIdentity(ValueError):
    """Something that is neither a phone number, a mail address nor a WhatsApp user id."""


def identity(raw: str, region: str) -> str:
    """Return an address as parsers write it; `region` is that of numbers without `+`.

    Raises `NotAnIdentity` for anything that would match other people's records, too.
    """
    text = raw.strip() if isinstance(raw, str) and _is_text(raw) else ""
    if "@" in text:
        found = [address for _, address in mailboxes(text)]
        if len(found) == 1 and kind_of(found[0]) == "email":
            return found[0]
    elif kind_of(text) == "whatsapp":
        return text
    else:
        for spelled in (phone(text, region), whatsapp_number(text)):
            if kind_of(spelled) == "phone" and _DIGITS.search(spelled):
                return spelled
    raise NotAnIdentity(
        "an identity to be erased is neither a phone number (+ and digits, or one of the default "
        "region), nor a mail address, nor a WhatsApp user id (US.1349…): write it as one of these"
    )


def _is_text(raw: str) -> bool:
    # A byte of a command line that is not UTF-8 comes as half a surrogate pair.
    try:
        raw.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Subjects:
    """The identities of one person, as parsers write them."""

    identities: tuple[str, ...]

    @classmethod
    def of(cls, raw: Iterable[str], region: str) -> Subjects:
        """Read spellings as a person types them; raises `NotAnIdentity`, also for none."""
        named = [raw] if isinstance(raw, str) else list(raw)
        if not named:
            raise NotAnIdentity("no identity was named: name at least one")
        found = set()
        for number, text in enumerate(named, 1):
            try:
                found.add(identity(text, region))
            except NotAnIdentity as error:
                # It may be an address with one letter too many: it is not repeated.
                raise NotAnIdentity(f"identity {number} of {len(named)}: {error}") from None
        return cls(tuple(sorted(found)))

    @cached_property
    def digests(self) -> frozenset[str]:
        """The ids that tables hold in place of the identities."""
        return frozenset(participant_id(found) for found in self.identities)

    @property
    def request(self) -> str:
        """A name for the erasure of these identities that does not tell them."""
        return hashlib.sha256("\n".join(self.identities).encode()).hexdigest()

    @cached_property
    def pattern(self) -> str:
        """A regular expression (RE2) that finds any spelling; ignore the case."""
        return "|".join(f"(?:{spelling})" for one in self.identities for spelling in _spelled(one))

    def are_in(self, parts: Sequence[bytes]) -> list[bool]:
        """Say of each of some byte strings whether it holds a spelling of an identity."""
        return self._spelled_in(pa.array(parts, pa.large_binary())).to_pylist()

    def mentioned(self, rows: pa.Table) -> np.ndarray:
        """Return which rows hold one of the identities, or an id made of one, in any column."""
        found = np.zeros(rows.num_rows, bool)
        for name in rows.column_names:
            if name not in PLACES:
                found |= self._in(rows[name].combine_chunks())
        return found

    def _in(self, values: pa.Array) -> np.ndarray:
        kind = values.type
        if pa.types.is_dictionary(kind):
            return self._in(values.dictionary_decode())
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            inside = self._in(values.flatten())
            found = np.zeros(len(values), bool)
            parents = pc.list_parent_indices(values).to_numpy(zero_copy_only=False)
            found[parents[inside]] = True
            return found
        if pa.types.is_struct(kind):
            parts = [self._in(part) for part in values.flatten()]
            return np.logical_or.reduce(parts) if parts else np.zeros(len(values), bool)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return self._spelled_in(values).to_numpy(zero_copy_only=False)
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            return np.zeros(len(values), bool)
        hashed = pc.is_in(values.cast(pa.string()), pa.array(sorted(self.digests), pa.string()))
        return pc.or_(self._spelled_in(values), hashed).to_numpy(zero_copy_only=False)

    def _spelled_in(self, values: pa.Array) -> pa.Array:
        # RE2: seven times as fast as Python's own, and linear in the text whatever it is.
        return pc.fill_null(pc.match_substring_regex(values, self.pattern, ignore_case=True), False)


def _spelled(one: str) -> Sequence[str]:
    kind = kind_of(one)
    if kind == "email":
        end = r"(?:[^A-Za-z0-9.\-]|\.(?:[^A-Za-z0-9]|$)|$)"
        return [rf"(?:^|[^A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~\-]){re.escape(one)}{end}"]
    if kind == "whatsapp":
        return [rf"(?:^|[^A-Za-z0-9.]){re.escape(one)}(?:[^A-Za-z0-9]|$)"]
    digits = one.removeprefix("+")
    national = _national(one)
    country = digits.removesuffix(national) if national else ""
    spelled = [rf"(?:^|[^0-9])(?:00)?{_BETWEEN.join(digits)}(?:[^0-9]|$)"]
    if country:
        # `+49 (0)170 …`: a nought that is dialled inside the country only.
        within = rf"{_BETWEEN.join(country)}{_BETWEEN}\(0\){_BETWEEN}{_BETWEEN.join(national)}"
        spelled.append(rf"(?:^|[^0-9])(?:00)?{within}(?:[^0-9]|$)")
    if len(national) >= 7:
        # Not after a country code, which may be another one.
        before = r"(?:^|[^0-9+\s().\-/])[\s(]{0,3}0?"
        spelled.append(rf"{before}{_BETWEEN.join(national)}(?:[^0-9]|$)")
    return spelled


def _national(one: str) -> str:
    import phonenumbers

    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(one))
    except phonenumbers.NumberParseException:
        return ""
