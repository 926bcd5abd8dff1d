"""Owns the record of decisions: the commit point, the log, its drain to Postgres, and reading it."""
