"""One fuzzing process: random bytes, grown by coverage, through `parse` for one channel.

    python -m pax_assets_tests.fuzz.harness <channel> <libFuzzer's arguments>

A crash is whatever breaks a promise of `parse` (`promises`): an exception, a string that cannot be
stored, an answer that differs the second time, a defect that the last net (`parser_error`) caught.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pax_assets.messages"]):
    from pax_assets.messages.archives import expansion
    from pax_assets_tests.fuzz.promises import check

if __name__ == "__main__":
    # Instrumented code is slow: without this a few bytes could unfold to a minute's work, which
    # says nothing about the parsers.
    expansion.FREE_BYTES = 1024 * 1024
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: check(data, name))
    atheris.Fuzz()
