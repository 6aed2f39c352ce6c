"""Byte-level fuzzing of the parsers with atheris: `make fuzz`."""
