"""The edge's configuration, as reviewed."""

from __future__ import annotations

from pathlib import Path

from gateway.envoy.files import render
from tests.support.golden import Golden
from tests.support.topologies import example_topology


def test_the_edge_is_rendered_as_it_was_reviewed(golden: Golden) -> None:
    golden("edge.yaml", render(example_topology(), Path("/etc/moat/moat.binpb")))
