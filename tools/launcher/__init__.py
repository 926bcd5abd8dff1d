"""Starts, watches, restarts and stops a whole mesh on one machine, as processes of its own on loopback."""
