"""What the released model says of the store: entities, events, relations, and their graph."""
