"""Hash banks: what pictures known already are called, and an index that finds them among a million."""
