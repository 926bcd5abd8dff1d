"""`moat up | down | status | logs`: the mesh as a whole."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from services.runtime.topology import Topology
from tools.cli.failure import Failure
from tools.launcher.control import Mesh, MeshDown, tail
from tools.launcher.home import Home
from tools.launcher.status import State, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_FOLLOW_SECONDS = 0.3


def register(commands: Commands) -> None:
    """Adds the subcommands."""
    up = commands.add_parser("up", help="start the mesh and wait until all of it is well")
    up.add_argument("--topology", type=Path, help="a source instead of config/topology.yaml")
    up.add_argument("--only", nargs="+", default=[], metavar="NAME", help="start these, and what they come after")
    up.set_defaults(run=_up)
    commands.add_parser("down", help="drain and stop the mesh").set_defaults(run=_down)
    commands.add_parser("status", help="how each process is; 0 if all are well").set_defaults(run=_status)
    logs = commands.add_parser("logs", help="the end of the logs")
    logs.add_argument("names", nargs="*", metavar="NAME", help="whose; everybody's if none is named")
    logs.add_argument("-n", "--lines", type=_count, default=20)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    logs.set_defaults(run=_logs)


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of lines")
    return number


def _up(arguments: argparse.Namespace) -> int:
    mesh = Mesh(Home.default())
    supervisor = mesh.supervisor()
    already = bool(supervisor)
    if not already:
        supervisor = mesh.start(topology=arguments.topology, only=arguments.only)
    try:
        topology = mesh.wait_until_up(supervisor, tell=_Progress(sys.stdout.write))
    except (MeshDown, KeyboardInterrupt) as problem:
        # Half a mesh is of no use to anybody.
        if not already:
            mesh.stop()
        raise Failure(str(problem) or "interrupted") from None
    sys.stdout.write("up already\n" if already else "up\n")
    _say_where(topology)
    return 0


def _down(_: argparse.Namespace) -> int:
    mesh = Mesh(Home.default())
    stopped = mesh.stop()
    left = mesh.processes()
    if left:
        raise Failure(f"processes {left} are still there")
    sys.stdout.write("down\n" if stopped else "down already\n")
    return 0


def _status(_: argparse.Namespace) -> int:
    mesh = Mesh(Home.default())
    status = mesh.status()
    if status is None or not mesh.supervisor():
        raise Failure("the mesh is down; start it with `make up`")
    for name, one in status.programs.items():
        restarts = f"restarted {one.starts - 1} times" if one.starts > 1 else ""
        problem = one.problem.partition("\n")[0]
        sys.stdout.write(f"{name:<12} {one.state:<9} {one.pid or '':>8}  {restarts} {problem}".rstrip() + "\n")
    _say_where(Topology.load(mesh.home.topology))
    return 0 if status.healthy else 1


def _logs(arguments: argparse.Namespace) -> int:
    home = Home.default()
    files = [home.log(name) for name in arguments.names] or sorted(home.logs.glob("*.log"))
    missing = [path.stem for path in files if not path.exists()]
    if missing or not files:
        there = (
            ", ".join(sorted(path.stem for path in home.logs.glob("*.log"))) or "none; start the mesh with `make up`"
        )
        raise Failure(f"no log of {', '.join(missing) or 'any process'} in {home.logs}; there is {there}")
    for path in files:
        sys.stdout.write(f"{path.stem}\n{tail(path, arguments.lines)}")
    if arguments.follow:
        _follow(files)
    return 0


def _follow(files: list[Path]) -> None:
    read = {path: path.stat().st_size for path in files}
    while True:
        time.sleep(_FOLLOW_SECONDS)
        for path in files:
            size = path.stat().st_size
            # Smaller: the supervisor has cut it.
            begin = read[path] if size >= read[path] else 0
            with path.open("rb") as file:
                file.seek(begin)
                news = file.read(size - begin).decode(errors="replace")
            read[path] = size
            sys.stdout.write("".join(f"{path.stem:<12} {line}\n" for line in news.splitlines()))
            sys.stdout.flush()


def _say_where(topology: Topology) -> None:
    edge, collector = topology.edge, topology.collector
    sys.stdout.write(f"edge    https://localhost:{edge.port}\ntraces  http://{collector.host}:{collector.page}\n")


class _Progress:
    """Says once of each program that it is well, or what its trouble is."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._said: dict[str, str] = {}
        self._started = time.monotonic()

    def __call__(self, status: Status) -> None:
        for name, one in status.programs.items():
            word = "healthy" if one.state is State.HEALTHY else one.problem.partition("\n")[0]
            if word and self._said.get(name) != word:
                self._said[name] = word
                self._write(f"{name:<12} {word:<40} {time.monotonic() - self._started:5.1f} s\n")
                sys.stdout.flush()
