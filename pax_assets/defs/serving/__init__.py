"""The Bento and its running deployment."""
