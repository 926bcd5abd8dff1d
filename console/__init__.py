"""Receives the mesh's spans and shows the waterfall of a decision. A reader: it changes nothing."""
