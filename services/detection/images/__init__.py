"""Pictures: decoded within bounds, known by their hash, matched against banks of hashes, scored by a model."""
