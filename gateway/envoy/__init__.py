"""Renders the edge's Envoy configuration from the topology, and checks it with the real binary."""
