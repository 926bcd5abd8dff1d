"""Owns who says what to whom, how often: sliding windows over users, channels and targets."""
