"""Where servers that come as Python packages keep their files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def package_folder(name: str) -> Path:
    """The folder of an installed package, which is not imported: some start things when they are.

    Raises ModuleNotFoundError.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{name} is not installed; run `make setup`", name=name)
    return Path(spec.submodule_search_locations[0])
