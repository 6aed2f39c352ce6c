"""Takes a person's records out of landed objects, which are otherwise never touched.

JSON Lines are rewritten without the person's lines; an empty line stays in each one's place, so
that positions go on to name the same records. A line goes as a whole, and every other form (mail,
mailbox, XML, chat export, archive, form, one JSON document) as a whole object: what other people
wrote in it has been taken in, and their rows stay in the tables. An object that was not ingested
(yet, or because of its name) is left and reported: other people's records in it would be lost.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pyarrow import fs

from pax_assets.jobs.erasing.subjects import Subjects
from pax_assets.jobs.identities.evidence import FOLDER
from pax_assets.lake import landing, tables

_LINE = re.compile(r"(?:line )?(\d+)(?::|\.|$|,| )")
# As the gateway names what is not whole yet, and `_rewrite` below.
_LEFTOVER = re.compile(r"/(?:\.gateway/\.[^/]*|\.[^/]*\.[0-9a-f]{8})\.tmp$")
_CHUNK = 4 * 1024 * 1024
_OVERLAP = 1024
_HEAD = 64 * 1024
_LINES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A landed object after the erasure; `etag` and the others are None where it was deleted."""

    path: str
    etag: str | None
    sha256: str | None
    size: int | None


@dataclass
class LandingReport:
    """What was done to landing; with a dry run, what would be."""

    rewritten: dict[str, Rewritten] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    found: set[str] = field(default_factory=set)


def erase_from_landing(
    root: str,
    subjects: Subjects,
    held: Mapping[str, Set[str]],
    known: Set[str],
    *,
    dry_run: bool,
) -> LandingReport:
    """Rewrite or delete every object that holds a record of the person. Idempotent.

    `held` maps paths to the positions of the person's records that the tables know; `known` are
    all paths that were ingested. Every object is searched for the identities' spellings besides,
    and so are the gateway's unfinished files and the data team's files of identities.
    """
    report = LandingReport()
    system, base = tables.filesystem(root)
    for info in system.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True)):
        if info.type != fs.FileType.File:
            continue
        path = info.path[len(base) :].lstrip("/")
        stated = path.startswith(f"{FOLDER}/")
        if path not in known and info.size and not stated and not _is_leftover(path):
            # Packed or encoded content shows only once it was ingested: none of them is judged.
            report.left.append(path)
            continue
        report.found.add(path)
        positions = held.get(path, frozenset())
        if not positions and not _mentions(system, info.path, subjects):
            continue
        numbers = _line_numbers(positions)
        if numbers is not None and (stated or _is_lines(system, info.path)):
            _rewrite(system, info, path, subjects, numbers, report, dry_run=dry_run)
        else:
            report.deleted.append(path)
            if not dry_run:
                system.delete_file(info.path)
    return report


def _is_leftover(path: str) -> bool:
    """Whether PAX itself wrote this file and was killed: the gateway, or an erasure."""
    return _LEFTOVER.search(path) is not None


def _mentions(system: fs.FileSystem, path: str, subjects: Subjects) -> bool:
    # Compressed and encoded content is found by the rows that it gave.
    with system.open_input_file(path) as stream:
        before = b""
        while part := stream.read(_CHUNK):
            if subjects.are_in([before + part])[0]:
                return True
            before = part[-_OVERLAP:]
    return False


def _line_numbers(positions: Set[str]) -> set[int] | None:
    """Return the lines of positions; None where one of them is no line's."""
    found = [_LINE.match(position) for position in positions]
    if not all(found):
        return None
    return {int(match[1]) for match in found if match}


def _is_lines(system: fs.FileSystem, path: str) -> bool:
    """Whether each line of an object is a record by itself: JSON Lines, or something broken."""
    with system.open_input_file(path) as stream:
        head = stream.read(_HEAD)
    lines = [line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines()]
    starts = [line[:1] == b"{" for line in lines if line]
    # A document over several lines begins with a brace once, and goes on with quotes.
    return len(starts) > 0 and starts[0] and sum(starts) * 2 > len(starts)


def _rewrite(
    system: fs.FileSystem,
    info: fs.FileInfo,
    path: str,
    subjects: Subjects,
    numbers: set[int],
    report: LandingReport,
    *,
    dry_run: bool,
) -> None:
    folder, _, name = info.path.rpartition("/")
    # Hidden, so that nobody takes it for an object before it is whole.
    unfinished = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
    total, size, kept = hashlib.sha256(), 0, 0
    target = None if dry_run else system.open_output_stream(unfinished)
    gone = 0
    for number, line, named in _judged(_lines(system, info.path), subjects):
        erased = named or number in numbers
        out = line[len(line.rstrip(b"\r\n")) :] if erased else line
        gone += erased and bool(line.strip())
        kept += bool(out.strip())
        total.update(out)
        size += len(out)
        if target is not None:
            target.write(out)
    if target is not None:
        target.close()
    if not gone:
        # An earlier run that was killed has been here.
        if target is not None:
            system.delete_file(unfinished)
        if kept:
            report.rewritten[path] = _described(path, info, total.hexdigest())
        return
    if not kept:
        report.deleted.append(path)
        if not dry_run:
            system.delete_file(unfinished)
            system.delete_file(info.path)
        return
    if dry_run:
        report.rewritten[path] = Rewritten(path, "", "", size)
        return
    system.move(unfinished, info.path)
    now = system.get_file_info(info.path)
    report.rewritten[path] = _described(path, now, total.hexdigest())


def _judged(lines: Iterator[bytes], subjects: Subjects) -> Iterator[tuple[int, bytes, bool]]:
    """Yield lines with their numbers from 1, and whether they hold an identity."""
    number = 0
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        for line, named in zip(batch, subjects.are_in(batch), strict=True):
            number += 1
            yield number, line, named


def _described(path: str, info: fs.FileInfo, digest: str) -> Rewritten:
    modified = datetime.fromtimestamp(info.mtime_ns // 1000 / 1_000_000, UTC)
    etag = landing.LandedObject(path, info.size, modified, None).etag
    return Rewritten(path, etag, digest, info.size)


def _lines(system: fs.FileSystem, path: str) -> Iterator[bytes]:
    """Yield lines with their ends; a line that has none counts, too."""
    if isinstance(system, fs.LocalFileSystem):
        with Path(path).open("rb") as stream:
            yield from stream
        return
    with system.open_input_stream(path) as stream:
        rest = b""
        while part := stream.read(_CHUNK):
            *whole, rest = (rest + part).split(b"\n")
            yield from (line + b"\n" for line in whole)
        if rest:
            yield rest
