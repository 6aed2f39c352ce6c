"""A sample of messages with gold labels, written by this project itself.

It exists so that the whole line can run, and be tested, on a machine with nothing else on it. It
is a sample: its sentences come from templates, so a score on it says that the line works and
nothing about accuracy on real traffic. What the labels mean is in README.md beside this file.
"""

from pax_assets.sample.corpus import gold
from pax_assets.sample.landing import write_landing

__all__ = ["gold", "write_landing"]
