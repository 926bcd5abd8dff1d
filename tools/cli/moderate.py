"""`moat moderate TEXT … --image FILE … --audio FILE …`, `moat replay FILE.jsonl` and `moat token`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from moat_client import Audio, Decision, Image, Moat, MoatError, PartDecision
from moat_client.content import Thing

from tools.cli.failure import Failure
from tools.cli.session import explained, local_topology, open_client, running_topology
from tools.demo.play import Played, play, read_lines, summary
from tools.launcher.tokens import mint

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_ASKING = ("game_server",)
_PATIENCE, _PATIENCE_FOR_CLIPS = 5.0, 30.0
"""Seconds. Listening takes a tenth of a clip's length and more."""


def register(commands: Commands) -> None:
    """Adds the subcommands."""
    one = commands.add_parser("moderate", help="decide lines of text, pictures and clips")
    one.add_argument("text", nargs="*")
    one.add_argument("--image", type=Path, nargs="+", default=[], metavar="FILE", help="JPEG, PNG, WebP or GIF")
    one.add_argument("--audio", type=Path, nargs="+", default=[], metavar="FILE", help="WAV")
    one.add_argument("--together", action="store_true", help="as the parts of one content")
    one.add_argument("--user", default="cli")
    one.add_argument("--channel", default="")
    one.add_argument("--tenant", default="demo")
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    one.set_defaults(run=partial(_moderate, one))
    many = commands.add_parser("replay", help="decide a file of lines: {user, channel, text, to?}")
    many.add_argument("file", type=Path)
    many.add_argument("--tenant", default="demo")
    many.set_defaults(run=_replay)
    token = commands.add_parser("token", help="a token that the local mesh accepts")
    token.add_argument("--tenant", default="demo")
    token.add_argument("--environment", default="production")
    token.add_argument("--roles", nargs="+", default=["game_server"])
    token.add_argument("--ttl", type=float, default=3600, help="seconds")
    token.set_defaults(run=_token)


def describe(decision: Decision) -> str:
    """A decision in one line."""
    parts = [f"{decision.outcome:5}", decision.category or "-"]
    parts += [f"{action.kind}:{action.state}" for action in decision.actions]
    parts += [f"degraded({','.join(decision.degraded)})"] if decision.degraded else []
    return " ".join(parts)


def _moderate(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if not (arguments.text or arguments.image or arguments.audio):
        parser.error("say what to decide: lines of text, --image FILE or --audio FILE")
    return asyncio.run(_moderate_all(arguments))


async def _moderate_all(arguments: argparse.Namespace) -> int:
    things: list[Thing] = [*arguments.text]
    things += [Image(_read(file)) for file in arguments.image]
    things += [Audio(_read(file)) for file in arguments.audio]
    asked = [things] if arguments.together else [[thing] for thing in things]
    patience = _PATIENCE_FOR_CLIPS if arguments.audio else _PATIENCE
    async with open_client(running_topology(), tenant=arguments.tenant, roles=_ASKING, timeout=patience) as moat:
        for one in asked:
            decision = await _ask(moat, one, arguments)
            if arguments.json:
                sys.stdout.write(json.dumps(dataclasses.asdict(decision), default=str) + "\n")
            else:
                sys.stdout.writelines(f"{line}\n" for line in _told(one, decision))
    return 0


def _told(things: Sequence[Thing], decision: Decision) -> Iterator[str]:
    yield describe(decision)
    shown: Sequence[Decision | PartDecision] = decision.parts or (decision,)
    for thing, one in zip(things, shown, strict=True):
        part = f"{one.outcome:5} " if decision.parts else ""
        yield f"  {part}{_shown(thing, one)}"
    for finding in decision.findings:
        if finding.interval is not None:
            yield f"  {finding.category} from {finding.interval[0]:.1f} s to {finding.interval[1]:.1f} s"
    yield f"  {decision.decision_id}"


def _shown(thing: Thing, decision: Decision | PartDecision) -> str:
    if isinstance(thing, str) or not decision.may_be_shown:
        return decision.display_text or "(not shown)"
    return "(the picture)" if isinstance(thing, Image) else "(the clip)"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(str(error)) from None


async def _ask(moat: Moat, things: Sequence[Thing], arguments: argparse.Namespace) -> Decision:
    try:
        if arguments.together:
            return await moat.moderate_parts(things, user_id=arguments.user, channel_id=arguments.channel)
        return await moat.moderate_thing(things[0], user_id=arguments.user, channel_id=arguments.channel)
    except MoatError as error:
        raise explained(error) from None


def _replay(arguments: argparse.Namespace) -> int:
    try:
        lines = read_lines(arguments.file)
    except (OSError, ValueError) as error:
        raise Failure(str(error)) from None
    played = asyncio.run(_replay_all(lines, arguments.tenant))
    sys.stdout.write(summary(played))
    return 1 if any(isinstance(one.answer, MoatError) for one in played) else 0


async def _replay_all(lines: list[dict[str, object]], tenant: str) -> list[Played]:
    async with open_client(running_topology(), tenant=tenant, roles=_ASKING) as moat:
        return await play(moat, lines, tell=sys.stdout.write)


def _token(arguments: argparse.Namespace) -> int:
    token = mint(
        local_topology().tokens,
        tenant=arguments.tenant,
        environment=arguments.environment,
        roles=arguments.roles,
        ttl_seconds=arguments.ttl,
    )
    sys.stdout.write(token + "\n")
    return 0
