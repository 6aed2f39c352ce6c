"""End to end: the main job as a person runs it, and what stands after it."""
