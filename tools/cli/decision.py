"""`moat decision ID`: the whole record of a decision."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToJson
from moat.audit.v1 import audit_service_pb2, decision_record_pb2
from moat.detection.v1 import signals_pb2
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2
from moat_client import MoatError

from tools.cli.session import explained, local_topology, open_client, running_topology

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("decision", help="the whole record of a decision")
    one.add_argument("id")
    one.add_argument("--tenant", default="demo")
    one.add_argument("--content", action="store_true", help="unseal the content too")
    one.add_argument("--json", action="store_true")
    one.set_defaults(run=_decision)


def _decision(arguments: argparse.Namespace) -> int:
    try:
        found = asyncio.run(_get(arguments))
    except MoatError as error:
        raise explained(error) from None
    if arguments.json:
        sys.stdout.write(MessageToJson(found, preserving_proto_field_name=True) + "\n")
        return 0
    for line in _lines(found.decision):
        sys.stdout.write(line + "\n")
    for text in _texts(found):
        sys.stdout.write(f"content       {text!r}\n")
    page = local_topology().collector
    sys.stdout.write(f"trace         http://{page.host}:{page.page}/decisions/{arguments.id}\n")
    return 0


async def _get(arguments: argparse.Namespace) -> audit_service_pb2.GetDecisionResponse:
    async with open_client(running_topology(), tenant=arguments.tenant, roles=("auditor",)) as moat:
        return await moat.get_decision(arguments.id, include_content=arguments.content)


def _texts(found: audit_service_pb2.GetDecisionResponse) -> Iterator[str]:
    """What was unsealed: typed texts, and words that were found."""
    if found.content.HasField("text"):
        yield found.content.text.text
    yield from (part.text.text for part in found.content.parts.parts if part.HasField("text"))
    yield from (words.text for words in found.words)


def _lines(record: decision_record_pb2.DecisionRecord) -> Iterator[str]:
    verdict = record.verdict
    yield f"decision      {record.decision_id}"
    yield f"request       {record.request_id}  by {record.caller}  in {record.tenant}/{record.environment}"
    yield f"who           {record.user_id}  channel {record.channel_id or '-'}  surface {record.surface}"
    yield f"decided       {record.decide_time.ToJsonString()}"
    yield f"outcome       {verdict_pb2.Outcome.Name(verdict.outcome)}  {verdict.category or '-'}  severity {verdict.severity}"
    for effect in verdict.effects:
        yield f"effect        {enforcement_pb2.EffectKind.Name(effect.kind)}  by {', '.join(effect.rule_ids)}"
    for rule in verdict.rules:
        parts = f"  part {', '.join(map(str, rule.parts))}" if record.parts and rule.parts else ""
        yield f"rule          {rule.rule_id}  {rule.category}  severity {rule.severity}{parts}"
    yield f"policy        {verdict.policy.name} {verdict.policy.version}  {verdict.policy.content_hash}"
    if verdict.calibration:
        yield f"calibration   {verdict.calibration}"
    if record.parts:
        for position, part in enumerate(record.parts):
            decided = verdict_pb2.Outcome.Name(verdict.parts[position].outcome)
            yield f"part          {position}  {part.kind}  {decided}"
            yield from _signals(part.signals)
    else:
        yield from _signals(record.signals)
    for name in sorted(record.features):
        yield f"context       {name:32} {record.features[name]:g}"
    for named in record.timings:
        yield f"timing        {named.hop:12} {named.timing.total_micros / 1000:.2f} ms, batch of {named.timing.batch_size}"
    for file in record.evidence:
        yield f"evidence      {file.evidence_id}  part {file.part}  {file.kind}  until {file.delete_time.ToJsonString()}"
    for name in record.degraded:
        yield f"degraded      {name}"


def _signals(signals: signals_pb2.Signals) -> Iterator[str]:
    for score in signals.scores:
        yield f"score         {score.category:22} {score.probability:.4f}"
    for tier in signals.tiers:
        yield f"tier          {tier.name:10} {tier.version}  {tier.reason}"
    if signals.normaliser_version:
        yield f"versions      normaliser {signals.normaliser_version}  lists {signals.lists_version}"
    if signals.HasField("image"):
        image = signals.image
        yield f"image         {image.format} {image.width} x {image.height}"
        yield f"pdq           {image.pdq_hash.hex()}  quality {image.pdq_quality}  banks {signals.banks_version}"
    if signals.HasField("audio"):
        audio = signals.audio
        speech = f"{audio.speech_millis / 1000:.1f} s of it speech"
        yield f"audio         {audio.format} {audio.duration_millis / 1000:.1f} s, {speech}"
    for match in signals.matches:
        state = "negative" if match.negative else "cancelled" if match.cancelled else "counts"
        yield f"match         {match.bank}/{match.entry_id}  {match.category or '-'}  distance {match.distance}  {state}"
    for finding in signals.detectors:
        said = "  ".join(f"{score.category} {score.probability:.4f}" for score in finding.scores)
        yield f"detector      {finding.name}  {finding.version}  {finding.state}  {said}".rstrip()
    if signals.HasField("carried"):
        yield f"words         {signals.carried.length} characters in {len(signals.carried.places)} places"
        yield from _signals(signals.carried.signals)
