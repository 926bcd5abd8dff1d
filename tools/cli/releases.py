"""`moat releases list|make|load|unload|canary|shadow|switch|rollback|history`: releases of the text models."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tools.cli.failure import Failure
from tools.cli.session import local_topology
from tools.launcher.home import Home

if TYPE_CHECKING:
    from tools.releases.operator import Operator

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_PERCENT = {"canary": 1.0, "shadow": 100.0}


def register(commands: Commands) -> None:
    """Adds the subcommands."""
    releases = commands.add_parser(
        "releases", help="releases of the text models in the local mesh: try, switch, roll back"
    )
    actions = releases.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="all releases, and what each is for now").set_defaults(run=_list)
    make = actions.add_parser("make", help="write a release's document from the files that belong to it")
    make.add_argument("release")
    make.add_argument("--deep", metavar="VERSION", help="of the deep model (default: as in the document that is there)")
    make.add_argument("--fast", metavar="VERSION", help="of the fast tier's weights (likewise)")
    make.add_argument("--tokenizer", metavar="FILE", help="in the deep model's folder (likewise, or tokenizer.json)")
    make.set_defaults(run=_make)
    for name, help_text in (
        ("load", "have Triton load a release's deep model"),
        ("unload", "let go of one that is not needed"),
    ):
        one = actions.add_parser(name, help=help_text)
        one.add_argument("release")
        one.set_defaults(run=_load if name == "load" else _unload)
    _add_tried(actions)
    switch = actions.add_parser("switch", help="make a release live")
    switch.add_argument("release")
    back = actions.add_parser("rollback", help="make live what was before the last switch, and end what is tried")
    for one, run in ((switch, _switch), (back, _roll_back)):
        one.add_argument("--keep", action="store_true", help="leave the deep model of the one before loaded")
        one.set_defaults(run=run)
    actions.add_parser("history", help="what was done, when, by whom").set_defaults(run=_history)


def _add_tried(actions: Commands) -> None:
    for role, help_text, run in (
        ("canary", "let a release decide about a share of the items", _canary),
        ("shadow", "let a release score beside the live one, deciding nothing", _shadow),
    ):
        one = actions.add_parser(role, help=help_text)
        one.add_argument("release", nargs="?")
        one.add_argument("--off", action="store_true", help="end it")
        one.add_argument("--percent", type=float, default=_PERCENT[role], help="of items (default: %(default)s)")
        one.add_argument("--seed", default="", help="another one chooses other items")
        if role == "canary":
            one.add_argument("--tenant", action="append", default=[], help="whose items; everybody's if none is named")
        one.set_defaults(run=run)


def _list(_: argparse.Namespace) -> int:
    from services.detection.releases.loading import known_releases, load_release  # noqa: PLC0415 - see `_operate`

    async def show(operator: Operator) -> None:
        plan, loaded = operator.plan.document, await operator.loaded()
        tried = {"canary": plan.canary, "shadow": plan.shadow}
        for name in known_releases(operator.settings.places):
            release = load_release(operator.settings.places, name)
            roles = ["live"] if name == plan.live else []
            roles += [
                f"{role} {one.percent:g} %" for role, one in tried.items() if one is not None and one.release == name
            ]
            state = "loaded" if release.deep_version in loaded else "not loaded"
            parts = f"deep {release.deep_version} ({state}), fast {release.document.fast.version}"
            sys.stdout.write(f"{name:16} {release.digest}  {parts:30}  {', '.join(roles)}\n")

    return _operate(show)


def _make(arguments: argparse.Namespace) -> int:
    from pydantic import ValidationError  # noqa: PLC0415 - see `_operate`

    from services.detection.releases.loading import BadRelease  # noqa: PLC0415
    from services.detection.releases.making import make_release, parts_of  # noqa: PLC0415
    from services.detection.settings import DetectionSettings  # noqa: PLC0415

    places = DetectionSettings().places
    asked = {name: value for name in ("deep", "fast", "tokenizer") if (value := getattr(arguments, name)) is not None}
    try:
        parts = parts_of(places, arguments.release) | asked
        if missing := [f"--{name}" for name in ("deep", "fast") if name not in parts]:
            raise Failure(f"{arguments.release} has no document yet; it needs {' and '.join(missing)}")
        release = make_release(places, arguments.release, **parts)
    except (BadRelease, ValidationError) as error:
        raise Failure(str(error)) from None
    sys.stdout.write(f"{release.name} {release.digest}\n")
    return 0


def _load(arguments: argparse.Namespace) -> int:
    return _operate(lambda operator: operator.load(arguments.release))


def _unload(arguments: argparse.Namespace) -> int:
    return _operate(lambda operator: operator.unload(arguments.release))


def _canary(arguments: argparse.Namespace) -> int:
    from services.detection.releases.document import Canary  # noqa: PLC0415 - see `_operate`

    about = _about(arguments) | {"tenants": frozenset(arguments.tenant)}
    return _operate(lambda operator: operator.canary(None if arguments.off else Canary.model_validate(about)))


def _shadow(arguments: argparse.Namespace) -> int:
    from services.detection.releases.document import Shadow  # noqa: PLC0415 - see `_operate`

    about = _about(arguments)
    return _operate(lambda operator: operator.shadow(None if arguments.off else Shadow.model_validate(about)))


def _about(arguments: argparse.Namespace) -> dict[str, object]:
    if arguments.off == (arguments.release is not None):
        raise Failure("name a release to try, or say --off")
    return {"release": arguments.release, "percent": arguments.percent, "seed": arguments.seed}


def _switch(arguments: argparse.Namespace) -> int:
    return _operate(lambda operator: operator.switch(arguments.release, keep=arguments.keep))


def _roll_back(arguments: argparse.Namespace) -> int:
    return _operate(lambda operator: operator.roll_back(keep=arguments.keep))


def _history(_: argparse.Namespace) -> int:
    async def show(operator: Operator) -> None:
        for entry in operator.history.entries():
            plan = entry.plan
            tried = (("canary", plan.canary), ("shadow", plan.shadow))
            said = "".join(f", {role} {one.release} {one.percent:g} %" for role, one in tried if one is not None)
            when = entry.time.isoformat(timespec="seconds")
            sys.stdout.write(f"{when}  {entry.who:12} {entry.what:12} {entry.before} -> {plan.live}{said}\n")

    return _operate(show)


def _tell(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def _operate(act: Callable[[Operator], Awaitable[object]]) -> int:
    # Here, so that the other commands start without the models' packages.
    from pydantic import ValidationError  # noqa: PLC0415

    from services.detection.releases.loading import BadRelease  # noqa: PLC0415
    from services.runtime.errors import DependencyDown  # noqa: PLC0415
    from tools.releases.operator import NotTaken, Operator  # noqa: PLC0415

    running = bool(Home.default().supervisor())
    operator = Operator(local_topology(), running=running, tell=_tell)

    async def run() -> None:
        await act(operator)

    try:
        asyncio.run(run())
    except (BadRelease, NotTaken, DependencyDown) as error:
        raise Failure(str(error)) from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise Failure(said) from None
    return 0
