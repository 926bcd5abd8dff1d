"""How Triton is laid out on disk and started. Pure functions and files: the launcher owns the process.

NVIDIA's image has a C++ backend named `onnxruntime`; the Python package has none. Here a Python-based backend of that name
takes its place, so the model repository is the same in both.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.environment import TritonEnvironment, inspect_environment

LOOPBACK = "127.0.0.1"
REPOSITORY = Path(__file__).parent / "model_repository"
"""The models that Moat serves; what a production image mounts unchanged."""

_BACKEND_SOURCES = Path(__file__).parent / "backends"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where Triton puts the regions it shares with the stubs


@dataclass(frozen=True, slots=True)
class TritonPorts:
    """Loopback ports of one server."""

    grpc: int
    http: int
    metrics: int


@dataclass(frozen=True, slots=True)
class TritonLayout:
    """One server's files under a state folder: backends assembled from the package and from ours, beside a repository."""

    environment: TritonEnvironment
    folder: Path
    repository: Path

    @classmethod
    def prepare(cls, state_dir: Path, triton_env: Path, repository: Path = REPOSITORY) -> TritonLayout:
        """Assembles `state_dir/backends`. Safe to repeat; call it while no server of this folder runs, because it also
        removes the shared memory that a killed one left behind.

        Raises UnusableEnvironment (numpy 2, no libpython, not installed), naming the remedy.
        """
        environment = inspect_environment(triton_env)
        layout = cls(environment, state_dir.absolute(), repository.absolute())
        shutil.rmtree(layout._backends, ignore_errors=True)
        python = layout._backends / "python"
        python.mkdir(parents=True)
        # Copies, not links: the server looks for the stub beside the library it loaded, with links resolved.
        bundled = environment.bundle / "backends" / "python"
        for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
            shutil.copy2(bundled / name, python / name)
        # Every stub finds it where it finds Triton's utilities.
        shutil.copy2(_BACKEND_SOURCES / "leash.py", python / "moat_leash.py")
        stub = environment.bundle / "python_backend_stubs" / environment.python / "triton_python_backend_stub"
        shutil.copy2(stub, python / stub.name)
        for source in sorted(_BACKEND_SOURCES.iterdir()):
            if (source / "model.py").exists():
                (layout._backends / source.name).mkdir()
                shutil.copy2(source / "model.py", layout._backends / source.name / "model.py")
        for region in _SHARED_MEMORY.glob(f"{layout.shared_memory_prefix}*"):
            region.unlink(missing_ok=True)
        return layout

    @property
    def shared_memory_prefix(self) -> str:
        """Names this folder's shared memory apart from that of other copies on the machine."""
        return f"moat_{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}_"

    @property
    def _backends(self) -> Path:
        return self.folder / "backends"

    def command(
        self, ports: TritonPorts, *, otlp_http: str = "", trace_rate: int = 1, load: Sequence[str] = ("*",)
    ) -> tuple[list[str], Mapping[str, str]]:
        """The argument list and the whole environment of the server's process.

        `otlp_http` is the collector's base address (`http://127.0.0.1:4318`); empty turns tracing off. One request in
        `trace_rate` is traced: Triton ignores the caller's sampled flag. `load` names the models to load at start.
        """
        arguments = [
            str(self.environment.server),
            f"--model-repository={self.repository}",
            f"--backend-directory={self._backends}",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={ports.grpc}",
            f"--http-address={LOOPBACK}",
            f"--http-port={ports.http}",
            f"--metrics-address={LOOPBACK}",
            f"--metrics-port={ports.metrics}",
            "--model-control-mode=explicit",
            # All side by side; by itself it loads two a core at a time, and who waits for the last waits for all.
            f"--model-load-thread-count={max(1, len(list(self.repository.glob('*/config.pbtxt'))))}",
            *(f"--load-model={name}" for name in load),
            "--exit-on-error=false",
            "--exit-timeout-secs=5",
            "--allow-gpu-metrics=false",
            "--log-info=false",
        ]
        for backend in ("python", *sorted(path.name for path in _BACKEND_SOURCES.iterdir() if path.is_dir())):
            arguments += [f"--backend-config={backend},shm-region-prefix-name={self.shared_memory_prefix}"]
        if otlp_http:
            arguments += [
                "--trace-config=mode=opentelemetry",
                f"--trace-config=opentelemetry,url={otlp_http}/v1/traces",
                "--trace-config=opentelemetry,resource=service.name=triton",
                f"--trace-config=rate={trace_rate}",
                "--trace-config=level=TIMESTAMPS",
            ]
        variables = {
            "LD_LIBRARY_PATH": self.environment.library_path,
            # The stub embeds Python and finds its packages by the `python3` that comes first here.
            "PATH": f"{self.environment.root / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            # A stub is one thread of ONNX Runtime; numpy's BLAS must not start a pool of its own beside it.
            "OPENBLAS_NUM_THREADS": "1",
        }
        return arguments, variables
