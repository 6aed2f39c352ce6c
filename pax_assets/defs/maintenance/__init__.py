"""What keeps the lake itself in order."""
