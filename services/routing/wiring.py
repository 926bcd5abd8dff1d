"""Every concrete object of the routing service."""

from __future__ import annotations

import asyncio
from functools import partial

from moat.routing.v1 import routing_service_pb2, routing_service_pb2_grpc

from services.routing.calibration.applying import Calibrations, tell
from services.routing.calibration.folder import FOLDER, read_all
from services.routing.calibration.loading import Loader
from services.routing.calibration.watching import Watcher
from services.routing.loading import load, load_or_last_good
from services.routing.servicer import RoutingServicer
from services.routing.settings import RoutingSettings
from services.runtime.background import end_tasks
from services.runtime.process import server_settings
from services.runtime.reloading import Reloading, watching
from services.runtime.server import Served, Server
from services.runtime.topology import Topology


def check(topology: Topology, settings: RoutingSettings) -> None:
    """For --check-config: the policy and the calibrations as they stand in their files. Raises BadPolicy, BadCalibration."""
    load(topology.policies_dir / settings.policy)
    read_all((settings.calibrations, topology.process("routing").state_dir / FOLDER))


async def serve(topology: Topology, settings: RoutingSettings) -> None:
    """Runs until SIGTERM."""
    state_dir = topology.process("routing").state_dir
    policy = load_or_last_good(topology.policies_dir / settings.policy, state_dir)
    watcher = Watcher(block=settings.drift_block, blocks=settings.drift_blocks)

    def changed(calibrations: Calibrations) -> None:
        tell(calibrations)
        watcher.change(calibrations)

    loader = Loader(settings.calibrations, state_dir, policy.document)
    calibrations = Reloading("calibrations", loader.folders, loader, changed=changed)
    changed(calibrations.current)
    served = Served(
        routing_service_pb2.DESCRIPTOR.services_by_name["RoutingService"],
        partial(
            routing_service_pb2_grpc.add_RoutingServiceServicer_to_server,
            RoutingServicer(policy, calibrations, watcher),
        ),
    )
    watch = asyncio.create_task(watching(calibrations))
    try:
        await Server(server_settings(topology, "routing"), [served]).run()
    finally:
        await end_tasks([watch])
