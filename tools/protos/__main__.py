"""`python -m tools.protos generate|lint|breaking [--against IMAGE]`: stubs, buf lint and buf's breaking check."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import google.rpc
import grpc_tools

from tools.protos.validate_descriptor import validate_descriptor_set

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"
RELEASED = PROTOS / "released.binpb"
"""The image of the last released schema: what `breaking` compares with."""

_IMPORTED = ["buf", "google"]
_CONFIG = json.dumps(
    {
        "version": "v2",
        "lint": {"use": ["STANDARD"], "ignore": _IMPORTED},
        "breaking": {"use": ["FILE"], "ignore": _IMPORTED},
    }
)


def main() -> int:
    """Runs the chosen command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools.protos", description=__doc__)
    parser.add_argument("command", choices=["generate", "lint", "breaking", "release"])
    command = parser.parse_args().command
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "moat.binpb"
        if command == "generate":
            return _generate(Path(folder))
        _build_image(Path(folder), image)
        if command == "release":
            shutil.copy(image, RELEASED)
            return 0
        against = ["--against", str(RELEASED)] if command == "breaking" else []
        return subprocess.run([_buf(), command, str(image), *against, "--config", _CONFIG], check=False).returncode


def _buf() -> str:
    return str(Path(sys.executable).parent / "buf")


def _sources() -> list[str]:
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def _protoc(folder: Path, *arguments: str) -> None:
    validate = folder / "validate.binpb"
    validate.write_bytes(validate_descriptor_set())
    includes = [
        f"-I{PROTOS}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        f"-I{Path(google.rpc.__path__[0]).parents[1]}",
    ]
    # protoc reads a file from the descriptor set only when no include path has it.
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, f"--descriptor_set_in={validate}", *arguments]
    subprocess.run(command, check=True, cwd=PROTOS)


def _build_image(folder: Path, image: Path) -> None:
    _protoc(folder, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *_sources())


def _generate(folder: Path) -> int:
    out = folder / "gen"
    out.mkdir()
    plugins = [
        f"--plugin={name}={Path(sys.executable).parent / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    _protoc(
        folder,
        *plugins,
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
        *_sources(),
        "buf/validate/validate.proto",
    )
    _build_image(folder, out / "moat.binpb")
    shutil.rmtree(GEN, ignore_errors=True)
    shutil.copytree(out, GEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
