"""The parts of batch scoring: what a worker does, and what is known of a day."""
