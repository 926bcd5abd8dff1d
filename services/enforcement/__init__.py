"""Owns what is done about decisions: warnings, mutes, bans, their expiry and reversal, and what holds now."""
