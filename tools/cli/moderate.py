"""`moat moderate TEXT …`, `moat moderate --image FILE`, `moat replay FILE.jsonl` and `moat token`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from moat_client import Decision, Moat, MoatError

from tools.cli.failure import Failure
from tools.cli.session import explained, local_topology, open_client, running_topology
from tools.demo.play import Played, play, read_lines, summary
from tools.launcher.tokens import mint

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_ASKING = ("game_server",)


def register(commands: Commands) -> None:
    """Adds the subcommands."""
    one = commands.add_parser("moderate", help="decide lines of text, and pictures")
    one.add_argument("text", nargs="*")
    one.add_argument("--image", type=Path, nargs="+", default=[], metavar="FILE", help="JPEG, PNG, WebP or GIF")
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
    if not arguments.text and not arguments.image:
        parser.error("say what to decide: lines of text, or --image FILE")
    return asyncio.run(_moderate_all(arguments))


async def _moderate_all(arguments: argparse.Namespace) -> int:
    async with open_client(running_topology(), tenant=arguments.tenant, roles=_ASKING) as moat:
        for content in (*arguments.text, *map(_read, arguments.image)):
            decision = await _ask(moat, content, arguments)
            if arguments.json:
                sys.stdout.write(json.dumps(dataclasses.asdict(decision), default=str) + "\n")
                continue
            shown = decision.display_text
            if isinstance(content, bytes) and decision.may_be_shown:
                shown = "(the picture)"
            sys.stdout.write(f"{describe(decision)}\n  {shown or '(not shown)'}\n  {decision.decision_id}\n")
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(str(error)) from None


async def _ask(moat: Moat, content: str | bytes, arguments: argparse.Namespace) -> Decision:
    who = {"user_id": arguments.user, "channel_id": arguments.channel}
    try:
        if isinstance(content, bytes):
            return await moat.moderate_image(content, **who)
        return await moat.moderate(content, **who)
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
