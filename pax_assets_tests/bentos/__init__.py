"""Tests of bentos/."""
