"""Moves decisions from the log to Postgres, each exactly once by its id."""
