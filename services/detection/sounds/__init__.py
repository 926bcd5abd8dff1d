"""Clips: decoded within bounds, searched for speech, heard by a model; the words go the way of lines."""
