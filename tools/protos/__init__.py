"""Turns `protos/` into the committed stubs in `gen/`, and lints it."""
