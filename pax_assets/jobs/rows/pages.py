"""Small pages of memory for processes that move tables through it.

Allocators (numpy's, Arrow's, the embedded engine's) ask Linux for huge pages, which are zeroed
whole when they are first touched. Rows pass through memory once, so nothing is won back; on
virtual machines, which get memory from their host at that moment, it took a third of the time
that building `messages` takes.
"""

from __future__ import annotations

import ctypes
import sys

_PR_SET_THP_DISABLE = 41


def use_small_pages() -> None:
    """Have this process and its children do without transparent huge pages, on Linux."""
    if sys.platform == "linux":
        # Where a sandbox forbids it everything works as before, so the answer is not looked at.
        ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
