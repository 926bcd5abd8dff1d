"""`python -m console`: the collector, and the page that shows what it holds."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from starlette.applications import Starlette

from console.otlp import Receiver, open_receiver
from console.pages import page_app, receiver_app
from console.spans import SpanStore
from services.runtime.process import run_process, server_settings
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from services.runtime.topology import Topology

NAME = "collector"


class ConsoleSettings(ServiceSettings):
    """Defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="CONSOLE_")

    most_spans: int = Field(default=60_000, ge=1000)
    """Kept in memory; about 1.5 kB each."""


async def serve(topology: Topology, settings: ConsoleSettings) -> None:
    """Runs until SIGTERM."""
    where = topology.collector
    store = SpanStore(settings.most_spans)
    receiver = Receiver(store)
    grpc_server = open_receiver(receiver, f"{where.host}:{where.otlp_grpc}")
    await grpc_server.start()
    web = [_web(receiver_app(receiver), where.host, where.otlp_http), _web(page_app(store), where.host, where.page)]
    tasks = [asyncio.create_task(one._serve()) for one in web]  # noqa: SLF001 - `serve` would take our signal handlers
    try:
        await Server(server_settings(topology, NAME), []).run()
    finally:
        for one in web:
            one.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        await grpc_server.stop(1)


def _web(app: Starlette, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")
    return uvicorn.Server(config)


if __name__ == "__main__":
    sys.exit(run_process(NAME, ConsoleSettings, serve))
