"""The parts of the mesh, one folder each; `runtime` is what they all run on."""
