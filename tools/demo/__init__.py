"""Plays a conversation through the mesh and says what became of it."""
