"""The decision log: Redis Streams with an atomic append-if-absent, durable when it answers."""
