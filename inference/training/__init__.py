"""Trains the text tiers from labelled lines: seeded, on a CPU, by anyone (`make train`)."""
