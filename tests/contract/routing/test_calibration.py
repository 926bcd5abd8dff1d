"""Calibrations in the routing service, over its real wire: who gets them, when, and what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from moat.routing.v1 import routing_service_pb2 as pb
from moat.routing.v1 import routing_service_pb2_grpc as pb_grpc
from moat.routing.v1 import verdict_pb2
from prometheus_client import REGISTRY

from services.routing.calibration.applying import Calibrations
from services.routing.calibration.document import Calibration
from services.routing.calibration.folder import BY_HASH, FOLDER, Archive, write
from services.routing.calibration.loading import Loader
from services.routing.calibration.watching import Watcher
from services.routing.servicer import RoutingServicer
from services.routing.views import Item
from services.runtime.clients import open_channel
from services.runtime.lists.asking import ListCaller
from services.runtime.reloading import Reloading
from services.runtime.server import Served, Server, ServerSettings
from tests.contract.gateway.certificates import write_certificates
from tests.support.calibrations import calibration, scored
from tests.unit.routing.test_policy import policy

DECIDER = policy()
RAISED = (0.2,) * 270 + (0.8,) * 30


def raised(tenant: str = "demo") -> Calibration:
    return calibration(DECIDER.document, benign=(0.2,) * 270 + (0.8,) * 30, tenant=tenant)


def lowered(tenant: str = "demo") -> Calibration:
    return calibration(DECIDER.document, benign=(0.2,) * 300, positives=(0.5,) * 9, tenant=tenant)


class Routing:
    """The service on a port, with the files that it looks at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = folder / "state"
        self.loader = Loader(folder / "config", self.state, DECIDER.document)
        self.watcher = Watcher(block=10, blocks=1)
        self.live = Reloading("calibrations", self.loader.folders, self.loader, changed=self.watcher.change)
        settings = ServerSettings(
            address="127.0.0.1:0",
            ca_file=folder / "ca.pem",
            certificate_file=folder / "routing.pem",
            key_file=folder / "routing.key",
            trust_domain="moat.local",
            callers={"gateway": frozenset({"routing.decide"})},
            roles={},
        )
        servicer = RoutingServicer(DECIDER, self.live, self.watcher)
        served = Served(
            pb.DESCRIPTOR.services_by_name["RoutingService"],
            partial(pb_grpc.add_RoutingServiceServicer_to_server, servicer),
        )
        self.server = Server(settings, [served])

    async def put(self, made: Calibration) -> None:
        """Written, and looked at."""
        write(self.state / FOLDER, made)
        assert await self.live.look()

    async def decide(self, port: int, items: Sequence[Item]) -> list[verdict_pb2.Verdict]:
        """One list, over the wire."""
        found: dict[int, verdict_pb2.Verdict] = {}

        def answered(response: pb.DecideVerdictsResponse) -> None:
            found.update((result.index, result.verdict) for result in response.results)

        channel = open_channel(
            f"127.0.0.1:{port}",
            server_name="routing.moat.local",
            ca_file=self._folder / "ca.pem",
            certificate_file=self._folder / "gateway.pem",
            key_file=self._folder / "gateway.key",
        )
        async with channel:
            caller = ListCaller(pb_grpc.RoutingServiceStub(channel).DecideVerdicts, peer="routing")
            await caller.ask(pb.DecideVerdictsRequest(items=items), timeout=20, answered=answered)
        return [found[index] for index in range(len(items))]


class Asked:
    """A started service."""

    def __init__(self, routing: Routing, port: int) -> None:
        self.routing, self._port = routing, port

    async def outcomes(self, *items: Item) -> list[tuple[str, str]]:
        """Outcome and calibration of each."""
        return [
            (verdict_pb2.Outcome.Name(one.outcome).removeprefix("OUTCOME_"), one.calibration)
            for one in await self.routing.decide(self._port, items)
        ]


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    write_certificates(tmp_path, ("gateway", "routing"))
    routing = Routing(tmp_path)
    yield Asked(routing, await routing.server.start())
    await routing.server.stop()


async def test_a_list_that_mixes_tenants_gives_each_its_own_limits(asked: Asked) -> None:
    strict = lowered("strict")
    lenient = raised("lenient")
    for made in (strict, lenient):
        await asked.routing.put(made)
    items = [scored(score, tenant=tenant) for tenant in ("strict", "lenient", "other") for score in (0.5, 0.75)]
    assert await asked.outcomes(*items) == [
        ("DROP", strict.reference_name),
        ("DROP", strict.reference_name),
        ("ALLOW", lenient.reference_name),
        ("ALLOW", lenient.reference_name),
        ("ALLOW", ""),
        ("DROP", ""),
    ]


async def test_a_change_of_the_files_is_a_change_of_limits_and_what_decided_before_is_found_by_its_name(
    asked: Asked,
) -> None:
    item = scored(0.75)
    assert await asked.outcomes(item) == [("DROP", "")]
    lenient = raised()
    await asked.routing.put(lenient)
    assert await asked.outcomes(item) == [("ALLOW", lenient.reference_name)]
    await asked.routing.put(lowered())
    ((outcome, name),) = await asked.outcomes(item)
    assert (outcome, name == lenient.reference_name) == ("DROP", False)

    archived = Archive(asked.routing.state / BY_HASH).find(lenient.content_hash)
    again = DECIDER.decide(item, Calibrations([archived], DECIDER.document))
    assert (again.outcome, again.calibration) == (verdict_pb2.OUTCOME_ALLOW, lenient.reference_name)


async def test_a_stale_one_and_a_broken_file_change_nothing(asked: Asked) -> None:
    lenient = raised()
    await asked.routing.put(lenient)
    (asked.routing.state / FOLDER / "broken.yaml").write_text("tenant: [half a")
    assert not await asked.routing.live.look()
    assert await asked.outcomes(scored(0.75)) == [("ALLOW", lenient.reference_name)]
    (asked.routing.state / FOLDER / "broken.yaml").unlink()
    await asked.routing.put(calibration(policy(effects=[{"kind": "HOLD"}]).document, benign=RAISED))
    assert await asked.outcomes(scored(0.75)) == [("DROP", "")]


async def test_what_is_decided_by_a_calibration_is_watched_and_nothing_else_is(asked: Asked) -> None:
    made = raised("seen")
    await asked.routing.put(made)
    await asked.outcomes(*[scored(0.9, tenant="unseen") for _ in range(20)])
    await asked.outcomes(*[scored(0.9, tenant="seen", fast_text="other") for _ in range(20)])
    labels = {"tenant": "seen", "environment": "production", "surface": "chat", "limit": "hate"}
    assert REGISTRY.get_sample_value("routing_limit_crossed_share", labels) is None
    await asked.outcomes(*[scored(0.9, tenant="seen") for _ in range(10)])
    assert REGISTRY.get_sample_value("routing_limit_crossed_share", labels) == 1
