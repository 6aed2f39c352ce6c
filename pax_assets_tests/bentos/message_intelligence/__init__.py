"""Tests of bentos/message_intelligence."""
