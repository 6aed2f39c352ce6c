"""The input of `bench-etl`: JSON Lines as three channels deliver them, seeded.

A benchmark on clean input flatters whoever would fail on a dirty one, so 4.75 % of the lines
repeat an id and one line in a thousand is cut off or broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

DAY = "2026-01-05"
DUPLICATES = 0.0475
BROKEN = 0.001
_LINES_A_FILE = 50_000
_WORDS = [
    "order",
    "invoice",
    "meeting",
    "delivery",
    "tomorrow",
    "please",
    "confirm",
    "the",
    "number",
    "for",
    "your",
    "account",
    "and",
    "let",
    "us",
    "know",
    "if",
    "address",
    "changed",
    "we",
    "will",
    "call",
    "back",
    "before",
    "noon",
    "thanks",
    "regards",
    "payment",
    "received",
    "ticket",
    "support",
    "refund",
    "package",
    "arrived",
    "late",
    "can",
    "you",
    "send",
    "contract",
    "signed",
    "by",
    "Friday",
    "office",
    "main",
    "street",
    "customer",
    "service",
    "agent",
    "will",
    "be",
    "there",
    "soon",
    "see",
    "attached",
    "document",
    "code",
    "expires",
]


def write_landing(root: Path, messages: int, seed: int = 5, day: str = DAY) -> dict[str, int]:
    """Write `messages` lines below `root`/<channel>/<day>/; return counts by kind of line."""
    counts = {"lines": 0, "broken": 0, "bytes": 0}
    for number, channel in enumerate(("sms", "whatsapp", "email")):
        lines = _lines(channel, messages // 3, np.random.default_rng([seed, number]))
        folder = root / channel / day
        folder.mkdir(parents=True, exist_ok=True)
        part = 0
        while chunk := list(islice(lines, _LINES_A_FILE)):
            data = b"\n".join(line for line, _ in chunk) + b"\n"
            (folder / f"part-{part:05}.jsonl").write_bytes(data)
            counts["lines"] += len(chunk)
            counts["broken"] += sum(broken for _, broken in chunk)
            counts["bytes"] += len(data)
            part += 1
    return counts


def _lines(channel: str, count: int, random: np.random.Generator) -> Iterator[tuple[bytes, bool]]:
    # Which record each line holds: its own, or an earlier one that is delivered again.
    which = np.arange(count)
    again = random.random(count) < DUPLICATES
    again[0] = False
    which[again] = (random.random(again.sum()) * which[again]).astype(np.int64)
    broken = random.random(count) < BROKEN
    cut = random.random(count)
    senders = random.integers(0, 20_000, count)
    accounts = random.integers(0, 8, count)
    seconds = np.sort(random.integers(0, 86_400, count))
    lengths = random.integers(8, 52, count)
    start = random.integers(0, 1 << 30, count)
    step = random.integers(1, 60, count)
    for line_number in range(count):
        i = int(which[line_number])
        words = [_WORDS[(start[i] + k * step[i]) % len(_WORDS)] for k in range(lengths[i])]
        record = _record(channel, i, int(senders[i]), int(accounts[i]), int(seconds[i]), words)
        line = json.dumps(record).encode()
        if broken[line_number]:
            keep = 1 + int(cut[line_number] * (len(line) - 2))
            line = line[:keep] if keep % 2 else line.replace(b": ", b" ", 1)
        yield line, bool(broken[line_number])


def _record(
    channel: str, number: int, sender: int, account: int, second: int, words: list[str]
) -> dict[str, object]:
    clock = f"2026-01-05T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    record: dict[str, object] = {
        "message_id": f"{channel}-{number:010}-{number * 2654435761 % 2**32:08x}"
    }
    if channel == "email":
        record |= {
            "from": f"customer{sender}@example.com",
            "to": f"desk{account}@pax.example",
            "subject": " ".join(words[:6]),
            "mailbox": f"desk{account}@pax.example",
        }
    else:
        record |= {
            "from": f"+1212{5_000_000 + sender}",
            "to": f"+1646555{account:04}",
            "account": f"+1646555{account:04}",
            "segments": 1 + len(words) // 25,
        }
    return record | {
        "timestamp": clock,
        "direction": "inbound",
        "text": " ".join(words),
        "thread_id": f"t-{sender}-{account}",
        "carrier": "example-carrier",
        "status": "received",
        "tags": "retail,priority,2026",
        "api_version": "2026-01-01",
    }
