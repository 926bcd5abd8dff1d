"""Developer commands: setup, launcher, protos, demo, bench, chaos."""
