"""Which landed objects nobody has taken in yet: asked every few seconds, answered in bounded time.

Objects land with any name, in any day's folder, and a message that is seen only by the nightly
run is late. The young folders (today, yesterday, objects without a day, and days in which
something was found lately) are looked at each time; all other days in turn, some each time, so
that what lands late is found within a round. Whatever time allows is looked at, and the next
look goes on there. What is new is decided by the ledger, so nothing is lost or taken in twice if
the position is lost, or if two look at once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from pax_assets.lake import ledger, tables
from pax_assets.lake.landing import LandedObject
from pax_assets.lake.landing_pages import dated_pages, undated_pages
from pax_assets.messages.message import CHANNELS

# A channel's day with more new objects than this is taken in as a whole: a run is told its objects
# on a command line, and that of EMR Serverless ends at 256 words.
MOST_NEW = 200
# An object that is written in place, not renamed, is complete when it has not changed for a while.
_QUIET = timedelta(seconds=1)
_LIVELY = timedelta(hours=1)
_MOST_LIVELY_DAYS = 8
# Of a round through the older days, what one look does at most.
_SWEPT_FOLDERS = 60
_SWEEP_SHARE = 0.3
_REMEMBERED = 1_000_000
_REMEMBERED_SECONDS = 3600.0

Folder = tuple[str, str]  # channel and day, "" for objects without a day


@dataclass
class Position:
    """Where the last look ended; a few hundred bytes whatever landing holds.

    `young` and `young_path` name the folder and the object after which the next look goes on;
    `swept` is the older folder that was looked at last, `swept_path` the object at which it had to
    leave the folder after that. `lively` has the older days in which something new was found,
    with when.
    """

    young: str = ""
    young_path: str = ""
    swept: str = ""
    swept_path: str = ""
    lively: dict[str, str] = field(default_factory=dict)


@dataclass
class Look:
    """What one look found: new objects by day and channel, and where the next one goes on.

    A list of more than `MOST_NEW` objects is the beginning of what is there. `folders` counts
    those that were listed, `complete` says whether all young ones were.
    """

    position: Position
    found: dict[str, dict[str, list[LandedObject]]] = field(default_factory=dict)
    folders: int = 0
    complete: bool = True


class Watch:
    """Looks at one lake's landing; remembers what the ledger is known to know.

    That memory only saves reading the ledger again. It is bounded, belongs to the process, and
    is forgotten each hour.
    """

    def __init__(self, lake: str, landing: str) -> None:
        self._lake, self._landing = lake, landing
        self._known: OrderedDict[Folder, set[int]] = OrderedDict()
        self._read: set[Folder] = set()
        self._forget_at = 0.0
        self._table = ""

    def look(
        self,
        position: Position,
        now: datetime,
        first_day: date,
        *,
        busy: Callable[[str], bool] = lambda _: False,
        seconds: float = 15.0,
    ) -> Look:
        """Look for objects of the days from `first_day` to today (UTC) that are not ingested.

        Days that are `busy` are passed over. Takes about `seconds`, plus one page of a listing
        and the ledger of one day. Raises `OSError` where landing cannot be listed.
        """
        self._forget()
        self._read.clear()
        started = time.monotonic()
        today = now.astimezone(UTC).date()
        lively = {
            day: at
            for day, at in position.lively.items()
            if now - datetime.fromisoformat(at) < _LIVELY and day >= first_day.isoformat()
        }
        look = Look(replace(position, lively=lively))
        scan = _Scan(self, look, now, today.isoformat(), busy)
        young = _young(today, first_day, lively)
        scan.round(young, started + seconds)
        if look.complete:
            older = _OlderFolders(first_day, today - timedelta(days=2))
            scan.sweep(older, min(started + seconds, time.monotonic() + seconds * _SWEEP_SHARE))
        return look

    def pages(self, folder: Folder, after: str) -> Iterator[list[LandedObject]]:
        """List a folder, in pages."""
        channel, day = folder
        if day:
            return dated_pages(self._landing, channel, day, after)
        return undated_pages(self._landing, channel, after)

    def new(self, folder: Folder, page: list[LandedObject]) -> list[LandedObject]:
        """Return those of the objects that are not in the ledger as they are now."""
        known = self._known.get(folder, set())
        unknown = [landed for landed in page if _mark(landed.path, landed.etag) not in known]
        if not unknown:
            return []
        channel, day = folder
        if folder in self._read:
            return unknown
        if day:
            # All of the day's, once a look: the next pages need them too.
            self._read.add(folder)
            rows = ledger.known_objects(self._lake, channel, day=day)
        else:
            paths = [landed.path for landed in unknown]
            rows = ledger.known_objects(self._lake, channel, paths=paths)
        marks = {_mark(path, row["etag"]) for path, found in rows.items() for row in found}
        self._remember(folder, marks)
        return [landed for landed in unknown if _mark(landed.path, landed.etag) not in marks]

    def settle(self, channel: str, objects: Iterable[LandedObject]) -> None:
        """Take no notice of these objects, as they are now, for up to an hour.

        They were looked at by a run that ended well, and are not in the ledger all the same:
        they could not be opened, or hold the very bytes that they held before.
        """
        for landed in objects:
            self._remember((channel, landed.day or ""), {_mark(landed.path, landed.etag)})

    def _remember(self, folder: Folder, marks: set[int]) -> None:
        self._known.setdefault(folder, set()).update(marks)
        self._known.move_to_end(folder)
        while len(self._known) > 1 and sum(map(len, self._known.values())) > _REMEMBERED:
            self._known.popitem(last=False)

    def _forget(self) -> None:
        """Begin anew each hour, and where the lake is another one than before."""
        snapshot = tables.newest(self._lake, "ledger")
        table = "" if snapshot is None else str(snapshot.metadata().id)
        if table != self._table or time.monotonic() >= self._forget_at:
            self._known.clear()
            self._table = table
            self._forget_at = time.monotonic() + _REMEMBERED_SECONDS


def _mark(path: str, etag: str) -> int:
    return hash((path, etag))


def _young(today: date, first_day: date, lively: dict[str, str]) -> list[Folder]:
    days = [today - timedelta(days=back) for back in (0, 1)]
    names = ["", *(day.isoformat() for day in days if day >= first_day), *sorted(lively)]
    return [(channel, day) for day in dict.fromkeys(names) for channel in CHANNELS]


class _OlderFolders:
    """The folders of the days before yesterday, the newest first, by number."""

    def __init__(self, first: date, last: date) -> None:
        self._last = last
        self.count = max(0, (last - first).days + 1) * len(CHANNELS)

    def folder(self, number: int) -> Folder:
        back, channel = divmod(number % self.count, len(CHANNELS))
        return CHANNELS[channel], (self._last - timedelta(days=back)).isoformat()

    def after(self, name: str) -> int:
        """Return the number at which the round goes on after a folder `<channel>/<day>`."""
        channel, _, day = name.partition("/")
        try:
            back = (self._last - date.fromisoformat(day)).days
            number = back * len(CHANNELS) + CHANNELS.index(channel) + 1  # type: ignore[arg-type]
        except ValueError:
            return 0
        return number if 0 < number < self.count else 0


class _Scan:
    """One look on its way."""

    def __init__(
        self,
        watch: Watch,
        look: Look,
        now: datetime,
        today: str,
        busy: Callable[[str], bool],
    ) -> None:
        self._watch, self._result, self._now, self._today = watch, look, now, today
        self._busy = busy

    def round(self, folders: list[Folder], deadline: float) -> None:
        """Look at all young folders, from where the last look was cut short."""
        position = self._result.position
        names = ["/".join(folder) for folder in folders]
        start = names.index(position.young) if position.young in names else 0
        after = position.young_path if position.young in names else ""
        for step in range(len(folders)):
            at = (start + step) % len(folders)
            if step and time.monotonic() >= deadline:
                self._stopped(names[at], "")
                return
            stopped = self._folder(folders[at], after if step == 0 else "", deadline)
            if stopped:
                self._stopped(names[at], stopped)
                return
        if after:
            # What lies before the place where this look began.
            stopped = self._folder(folders[start], "", deadline)
            if stopped:
                self._stopped(names[start], stopped)
                return
        position.young = position.young_path = ""

    def sweep(self, older: _OlderFolders, deadline: float) -> None:
        """Look at some of the older folders, from where the last look stopped."""
        position = self._result.position
        at = older.after(position.swept)
        for number in range(min(older.count, _SWEPT_FOLDERS)):
            if number and time.monotonic() >= deadline:
                return
            folder = older.folder(at + number)
            if folder[1] not in position.lively:
                stopped = self._folder(folder, position.swept_path, deadline)
                if stopped:
                    position.swept_path = stopped
                    return
            position.swept, position.swept_path = "/".join(folder), ""

    def _stopped(self, young: str, path: str) -> None:
        self._result.complete = False
        self._result.position.young = young
        self._result.position.young_path = path

    def _folder(self, folder: Folder, after: str, deadline: float) -> str:
        """Look at one folder; return the path at which time ran out, "" if it did not."""
        channel, day = folder
        counts_for = day or self._today
        if self._busy(counts_for):
            return ""
        self._result.folders += 1
        for page in self._watch.pages(folder, after):
            settled = [o for o in page if not self._now - _QUIET < o.modified_at <= self._now]
            if new := self._watch.new(folder, settled):
                self._add(channel, counts_for, new)
            if len(self._of(channel, counts_for)) > MOST_NEW:
                return ""
            if page and time.monotonic() >= deadline:
                return page[-1].path
        return ""

    def _of(self, channel: str, day: str) -> list[LandedObject]:
        return self._result.found.get(day, {}).get(channel, [])

    def _add(self, channel: str, day: str, new: list[LandedObject]) -> None:
        mine = self._result.found.setdefault(day, {}).setdefault(channel, [])
        mine += new
        lively = self._result.position.lively
        if day < (date.fromisoformat(self._today) - timedelta(days=1)).isoformat():
            lively[day] = self._now.isoformat()
            while len(lively) > _MOST_LIVELY_DAYS:
                del lively[min(lively, key=lambda old: lively[old])]
