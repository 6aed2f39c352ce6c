"""Training, export and release of the message model."""
