"""Measures the mesh against what it is made of, side by side in one run; writes `.moat/bench.json` and
`docs/benchmarks.md`."""
