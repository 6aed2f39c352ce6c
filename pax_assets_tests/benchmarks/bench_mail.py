"""`make bench-mail`: RFC 5322 mails a second, from landed objects to parsed rows, on 2 cores.

Beside PAX stands what one writes first: `email.policy.default` in two processes, to the same
columns in Parquet. Each side runs in a process of its own that starts its workers, and all of
that is counted; the sides take turns for five rounds after one round of warm-up, and medians
count. PAX also marks quotes and signatures, hashes mails, attachments and ids, threads, and
decodes wrongly declared charsets; the other side does the first steps only, so that a ratio above
one says something. The outputs are compared mail by mail.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pax_assets_tests.benchmarks import mail_input
from pax_assets_tests.benchmarks.report import RESULTS, finish, machine

COUNT = 20_000
ROUNDS = 5
WORKERS = 2
FLOOR = 2_000
TARGET = 5_000


def main() -> None:
    """Measure both sides and close with the line of all benchmarks."""
    distinct, corpus = mail_input.mails()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        landing = Path(folder) / "landing"
        count = mail_input.land(landing, distinct, COUNT)
        size = sum(map(len, distinct)) * (count // len(distinct)) / 1e6
        print(f"{machine()}; {count} mails ({len(distinct)} of {corpus}, each landed")
        print(f"{count // len(distinct)} times), {size:.0f} MB; {ROUNDS} rounds", flush=True)
        seconds: dict[str, list[float]] = {side: [] for side in _SIDES}
        for number in range(ROUNDS + 1):
            for side in _SIDES:
                taken = _timed(side, landing, Path(folder) / f"{side}-{number}")
                if number:
                    seconds[side].append(taken)
                    print(f"  round {number} {side}: {count / taken:,.0f} mails/s", flush=True)
        equal = _equal(Path(folder) / "pax-1", Path(folder) / "policy_default-1")
    pax, peer = (statistics.median(seconds[side]) for side in _SIDES)
    finish(
        "bench-mail",
        {
            "corpus": corpus,
            "mails": count,
            "distinct": len(distinct),
            "mb": round(size),
            "workers": WORKERS,
            "pax_per_s": round(count / pax),
            "policy_default_per_s": round(count / peer),
            "times_policy_default": round(peer / pax, 2),
            "target_per_s": TARGET,
            "target_met": count / pax >= TARGET,
            **equal,
        },
        {"pax_per_s": (">=", FLOOR)},
    )


def _timed(side: str, landing: Path, out: Path) -> float:
    out.mkdir()
    command = [sys.executable, "-m", __spec__.name, side, str(landing), str(out)]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


def pax(landing: Path, out: Path) -> None:
    """Run PAX's parse step: landed objects to Parquet rows."""
    from pax_assets.jobs.rows.parsing import ParseTask, parse_objects
    from pax_assets.lake.landing import dated_objects
    from pax_assets.messages.options import ParseOptions
    from pax_assets.messages.version import parser_version

    options = ParseOptions()
    task = ParseTask(
        lake=str(out),
        landing=str(landing),
        staging=str(out / "staging"),
        channel="email",
        day=mail_input.DAY,
        received_at=datetime.now(UTC),
        options=options,
        objects=tuple(dated_objects(str(landing), "email", mail_input.DAY)),
        known={},
        parser=parser_version(options),
    )
    parse_objects(task, WORKERS)


def policy_default(landing: Path, out: Path) -> None:
    """Do the same with the standard library's modern policy: fields and text to Parquet."""
    paths = sorted((landing / "email" / mail_input.DAY).iterdir())
    parts = WORKERS * 2
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        shares = [paths[part::parts] for part in range(parts)]
        files = [out / f"{part}.parquet" for part in range(parts)]
        list(pool.map(_policy_default_rows, shares, files))


def _policy_default_rows(paths: list[Path], file: Path) -> None:
    rows = [_policy_default_row(path) for path in paths]
    pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd", compression_level=1)


def _policy_default_row(path: Path) -> dict[str, object]:
    from email import message_from_bytes, policy

    data = path.read_bytes()
    mail = message_from_bytes(data, policy=policy.default)
    row: dict[str, object] = {
        "raw_uri": f"email/{mail_input.DAY}/{path.name}",
        "raw_sha256": hashlib.sha256(data).hexdigest(),
    }
    # Each of these raises on some real mail; whoever writes such a script soon learns that.
    for name, get in _FIELDS.items():
        try:
            row[name] = get(mail)
        except (ValueError, LookupError, AttributeError, TypeError, IndexError):
            row[name] = None
    return row


def _sender(mail) -> str:
    return mail["from"].addresses[0].addr_spec.lower()


def _recipients(mail) -> str:
    people = [*mail["to"].addresses, *(mail["cc"].addresses if mail["cc"] else ())]
    return ",".join(person.addr_spec.lower() for person in people)


def _text(mail) -> str:
    return mail.get_body(("plain", "html")).get_content()


def _attachments(mail) -> str:
    return json.dumps(
        [
            [part.get_content_type(), part.get_filename(), _digest(part)]
            for part in mail.iter_attachments()
        ]
    )


def _digest(part) -> str | None:
    payload = part.get_payload(decode=True)
    return hashlib.sha256(payload).hexdigest() if payload is not None else None


_FIELDS = {
    "provider_message_id": lambda mail: str(mail["message-id"]).strip("<> "),
    "sender": _sender,
    "recipients": _recipients,
    "sent_at": lambda mail: mail["date"].datetime.isoformat(),
    "subject": lambda mail: str(mail["subject"]),
    "reply_to": lambda mail: mail["in-reply-to"] and str(mail["in-reply-to"]),
    "references": lambda mail: mail["references"] and str(mail["references"]),
    "text": _text,
    "attachments": _attachments,
}
_SIDES = {"pax": pax, "policy_default": policy_default}


def _equal(ours: Path, theirs: Path) -> dict[str, int]:
    """Count the landed mails on which both sides agree, white space at ends and folds aside."""
    found = {
        side: {row["raw_uri"]: row for row in _rows(folder)}
        for side, folder in (("ours", ours), ("theirs", theirs))
    }
    counts = {"rows": len(found["ours"]), "policy_default_rows": len(found["theirs"])}
    for name in ("subject", "sender", "text"):
        counts[f"{name}_equal"] = sum(
            _plain(row[name]) == _plain(found["theirs"][uri][name])
            for uri, row in found["ours"].items()
        )
    return counts


def _plain(value: str | None) -> str:
    return " ".join((value or "").split())


def _rows(folder: Path) -> list[dict]:
    columns = ["raw_uri", "subject", "sender", "text"]
    files = [path for path in folder.rglob("*.parquet") if "staging" not in path.parts]
    tables = [pq.read_table(file, columns=columns, partitioning=None) for file in files]
    return pa.concat_tables(tables).to_pylist()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
