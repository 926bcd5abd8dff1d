"""Makes the Python environments, with nothing but a system Python: `python3 -m tools.setup services triton`."""
