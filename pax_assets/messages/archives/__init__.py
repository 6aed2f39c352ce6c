"""Packed objects, unpacked within bounds."""
