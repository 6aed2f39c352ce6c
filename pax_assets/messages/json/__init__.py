"""JSON of any sender: documents, records by their shape, and JSON Lines."""
