"""Voices that are decided while they are spoken."""
