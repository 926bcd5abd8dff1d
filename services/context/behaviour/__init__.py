"""Detectors of behaviour: what the windows say together. One file each, registered in `registry.py`; pure."""
