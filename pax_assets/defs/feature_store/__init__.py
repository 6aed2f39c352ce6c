"""The feature store: one row a message, and the threads and people that follow from it."""
