"""What detection itself says about the releases that it runs, by its metrics."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

Roles = frozenset[tuple[str, str]]
"""Of what runs: release and role."""
_POLL_SECONDS = 0.2


async def until(port: int, holds: Callable[[Roles], bool], *, seconds: float) -> bool:
    """Whether it did within the time. `port` is that of detection's metrics on this machine."""
    try:
        async with asyncio.timeout(seconds):
            while not holds(await asyncio.to_thread(roles, port)):
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True


def roles(port: int) -> Roles:
    """Nothing while detection does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return frozenset()
    return frozenset(
        (sample.labels["release"], sample.labels["role"])
        for family in text_string_to_metric_families(text)
        if family.name == "detection_release"
        for sample in family.samples
        if sample.value > 0
    )
