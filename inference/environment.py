"""Finds what Triton needs outside this process: its own Python environment, and a libpython for the model stubs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROBE = """
import importlib.metadata as m, json, sys, sysconfig
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return ""
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "site_packages": sysconfig.get_path("purelib"),
    "library_folder": sysconfig.get_config_var("LIBDIR") or "",
    **{name: version(name) for name in ("nvidia-pytriton", "numpy", "onnxruntime")}}))
"""


class UnusableEnvironment(Exception):
    """Triton cannot be started from this environment; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TritonEnvironment:
    """A virtual environment that holds Triton, its Python backend and what the model stubs import."""

    root: Path
    python: str
    """Minor version of its interpreter, `3.11`; the stub must be of the same."""
    site_packages: Path
    libpython_folder: Path
    onnxruntime: str
    """Version of ONNX Runtime; it belongs to a model's provenance."""

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return self.root / "bin" / "python"

    @property
    def bundle(self) -> Path:
        """The server as the package brings it: `bin`, `backends`, `python_backend_stubs`, `caches`."""
        return self.site_packages / "pytriton" / "tritonserver"

    @property
    def server(self) -> Path:
        """The server's binary."""
        return self.bundle / "bin" / "tritonserver"

    @property
    def library_path(self) -> str:
        """LD_LIBRARY_PATH of the server and its stubs."""
        return f"{self.libpython_folder}:{self.site_packages / 'nvidia_pytriton.libs'}"


def inspect_environment(root: Path) -> TritonEnvironment:
    """Looks into the environment at `root` by running its Python once (about 0.1 s).

    Raises UnusableEnvironment naming the remedy. The versions matter: with numpy 2 the server is READY and answers
    every request with empty outputs.
    """
    root = root.absolute()
    interpreter = root / "bin" / "python"
    if not interpreter.exists():
        raise UnusableEnvironment(f"there is no Python at {interpreter}; run `make setup`")
    probe = subprocess.run([interpreter, "-I", "-c", _PROBE], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise UnusableEnvironment(f"{interpreter} does not run; delete {root} and run `make setup`")
    found: dict[str, str] = json.loads(probe.stdout)
    for package in ("nvidia-pytriton", "numpy", "onnxruntime"):
        if not found[package]:
            raise UnusableEnvironment(f"{package} is not installed in {root}; run `make setup`")
    if int(found["numpy"].split(".")[0]) >= 2:  # noqa: PLR2004 - numpy 2
        raise UnusableEnvironment(
            f"numpy {found['numpy']} is installed in {root}: Triton's Python backend answers with empty outputs under "
            "numpy 2; delete the environment and run `make setup`, which installs numpy<2"
        )
    environment = TritonEnvironment(
        root=root,
        python=found["python"],
        site_packages=Path(found["site_packages"]),
        libpython_folder=find_libpython(found["python"], found["library_folder"]),
        onnxruntime=found["onnxruntime"],
    )
    stub = environment.bundle / "python_backend_stubs" / environment.python / "triton_python_backend_stub"
    if not stub.exists():
        raise UnusableEnvironment(f"Triton has no stub for Python {environment.python}; make {root} with 3.11 to 3.13")
    return environment


def find_libpython(python: str, library_folder: str) -> Path:
    """The folder of `libpython<python>.so.1.0`: the interpreter's own library folder first, then the system's cache."""
    name = f"libpython{python}.so.1.0"
    if library_folder and (Path(library_folder) / name).exists():
        return Path(library_folder)
    for line in _linker_cache().splitlines():
        if line.strip().startswith(f"{name} ") and "=>" in line:
            return Path(line.rpartition("=>")[2].strip()).parent
    raise UnusableEnvironment(
        f"{name}, which Triton's model stubs load, is not here; run `apt-get install libpython{python}`"
    )


def _linker_cache() -> str:
    for binary in ("/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"):
        try:
            return subprocess.run([binary, "-p"], capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            continue
    return ""
