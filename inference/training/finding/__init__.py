"""Trains the finder of words in pictures, on pictures made here."""
