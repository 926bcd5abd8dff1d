"""Enforcements in Postgres, and what holds now in Redis for the hot path."""
