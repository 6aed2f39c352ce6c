"""Recognizers: spans that a rule finds and a check digit or a grammar proves.

A model guesses where a phone number ends; a rule knows. What has a written form of its own
(numbers, addresses, links) is therefore found by rules, the same way in every message, and
`pax_assets.nlp.merge` joins it with what the model found. `docs/recognizers.md` lists the rules.

Importing costs nothing; `phonenumbers` and `stdnum` are loaded at the first text that needs them.
"""

from pax_assets.nlp.recognizers.finder import Recognizers
from pax_assets.nlp.recognizers.spans import TYPES, Recognized

# One more whenever a rule changes what is found, here or in `merge`: stored answers are then old.
VERSION = 2

__all__ = ["TYPES", "VERSION", "Recognized", "Recognizers"]
