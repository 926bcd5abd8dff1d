"""`moat evidence …`: the files that were kept of a decision, and what people do with them."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from moat.audit.v1 import evidence_pb2
from moat_client import Moat, MoatError
from moat_client.evidence import Evidence

from tools.cli.session import explained, open_client, running_topology

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

AnswerT = TypeVar("AnswerT")
_STATES = {evidence_pb2.EVIDENCE_STATE_KEPT: "kept", evidence_pb2.EVIDENCE_STATE_DELETED: "deleted"}


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    evidence = commands.add_parser("evidence", help="files that were kept of a decision").add_subparsers(
        metavar="WHAT", required=True
    )
    _add(evidence, "list", "the files of a decision", "decision", _list)
    get = _add(evidence, "get", "a file's bytes; who reads it and why is written down", "evidence", _get)
    get.add_argument("--out", required=True, metavar="FILE", help="where it goes, for you alone; - for standard output")
    hold = _add(evidence, "hold", "keep a file beyond its time", "evidence", _hold)
    release = _add(evidence, "release", "release a hold", "hold", _release)
    for command in (get, hold, release):
        command.add_argument("--reason", required=True, help="why: a case, a report, a review")
    _add(evidence, "readings", "who has asked to see a decision's files", "decision", _readings)


def _add(
    commands: Commands, name: str, help_: str, what: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_)
    command.add_argument("id", metavar=what.upper())
    command.add_argument("--tenant", default="demo")
    command.set_defaults(run=run)
    return command


def _list(arguments: argparse.Namespace) -> int:
    found = _asked(arguments, lambda evidence: evidence.list(arguments.id))
    _say(line for one in found for line in _lines(one))
    return 0


def _get(arguments: argparse.Namespace) -> int:
    found = _asked(arguments, lambda evidence: evidence.get(arguments.id, reason=arguments.reason))
    if arguments.out == "-":
        sys.stdout.buffer.write(found.data)
        return 0
    descriptor = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(found.data)
    _say([f"{arguments.out}: {found.file.kind}, {len(found.data)} bytes, of decision {found.decision_id}"])
    return 0


def _hold(arguments: argparse.Namespace) -> int:
    hold = _asked(arguments, lambda evidence: evidence.hold(arguments.id, reason=arguments.reason))
    _say([f"held          {hold.hold_id}"])
    return 0


def _release(arguments: argparse.Namespace) -> int:
    hold = _asked(arguments, lambda evidence: evidence.release(arguments.id, reason=arguments.reason))
    _say([f"released      {hold.hold_id}  by {hold.released_by}  {hold.release_time.ToJsonString()}"])
    return 0


def _readings(arguments: argparse.Namespace) -> int:
    for one in _asked(arguments, lambda evidence: _all_readings(evidence, arguments.id)):
        _say([f"{one.read_time.ToJsonString()}  {one.evidence_id}  {one.reader}  {one.reason!r}"])
    return 0


async def _all_readings(evidence: Evidence, decision_id: str) -> list[evidence_pb2.EvidenceReading]:
    readings: list[evidence_pb2.EvidenceReading] = []
    token = ""
    while True:
        page = await evidence.readings(decision_id, page_size=200, page_token=token)
        readings += page.readings
        token = page.next_page_token
        if not token:
            return readings


def _asked(arguments: argparse.Namespace, ask: Callable[[Evidence], Awaitable[AnswerT]]) -> AnswerT:
    async def asked() -> AnswerT:
        moat: Moat
        async with open_client(running_topology(), tenant=arguments.tenant, roles=("auditor",)) as moat:
            return await ask(moat.evidence)

    try:
        return asyncio.run(asked())
    except MoatError as error:
        raise explained(error) from None


def _lines(one: evidence_pb2.Evidence) -> Iterator[str]:
    file = one.file
    until = "gone" if one.HasField("gone_time") else "until"
    when = one.gone_time if one.HasField("gone_time") else file.delete_time
    yield (
        f"{file.evidence_id}  part {file.part}  {file.kind}  {file.size} bytes  {_STATES.get(one.state, '?')}"
        f"  {until} {when.ToJsonString()}"
    )
    for hold in one.holds:
        released = f"  released by {hold.released_by}: {hold.release_reason!r}" if hold.released_by else ""
        yield f"  hold {hold.hold_id}  by {hold.held_by}: {hold.reason!r}{released}"


def _say(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
