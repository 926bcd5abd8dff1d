"""Detectors that are plugged in: one file each, registered in `registry.py`, switched on by files under `config/detectors`."""
