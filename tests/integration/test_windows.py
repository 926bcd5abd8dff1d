"""The windows in Redis against a reference that keeps every event and counts anew."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from moat.context.v1 import context_service_pb2
from moat.mesh.v1 import item_pb2

from services.context.reading import features_of, plan_reading
from services.context.recording import plan_decision, plan_event
from services.context.windows import Windows
from services.runtime.redis_cluster import open_cluster
from services.runtime.topology import Topology
from tools.launcher.control import Mesh

WINDOWS = {"10s": (2, 6), "1m": (10, 7), "2m": (20, 7), "10m": (60, 11), "1h": (300, 13), "24h": (3600, 25)}
START = 1_700_000_000


@pytest.fixture
async def windows(servers: Mesh) -> AsyncIterator[Windows]:
    state = Topology.load(servers.home.topology).redis_state
    cluster = open_cluster(state.host, state.port, state.password())
    store = Windows(cluster, shards=4)
    await store.prepare()
    yield store
    await cluster.aclose()


@dataclass
class Happened:
    """Something the reference remembers."""

    what: str
    subject: str
    when: int
    other: str = ""


@dataclass
class Reference:
    """Counts by looking at everything."""

    events: list[Happened] = field(default_factory=list)

    def count(self, what: str, subject: str, window: str, now: int) -> int:
        seconds, ring = WINDOWS[window]
        return sum(
            1
            for one in self.events
            if (one.what, one.subject) == (what, subject) and 0 <= now // seconds - one.when // seconds < ring
        )


def item(tenant: str, user: str, channel: str, target: str) -> context_service_pb2.ContextItem:
    return context_service_pb2.ContextItem(
        context=item_pb2.ItemContext(tenant=tenant, environment="production", decision_id=str(uuid.uuid4())),
        user_id=user,
        channel_id=channel,
        target_user_ids=[target] if target else [],
        content_digest=uuid.uuid4().bytes,
    )


async def read(windows: Windows, one: context_service_pb2.ContextItem, now: int) -> dict[str, float]:
    plan = windows.plan()
    places = plan_reading(plan, one, now)
    return features_of(one, places, await windows.run(plan), now)


async def record(windows: Windows, one: context_service_pb2.ContextItem, now: int, *, violation: bool) -> bool:
    plan = windows.plan()
    places = plan_decision(plan, context_service_pb2.DecisionFact(item=one, violation=violation), now)
    answers = await windows.run(plan)
    return any(answers[tag][position] for tag, position in places)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_windows_count_as_one_who_remembers_everything(windows: Windows, seed: int) -> None:
    random_ = random.Random(seed)
    tenant, reference, now = f"t{uuid.uuid4().hex[:8]}", Reference(), START
    users, channels = ["ann", "bob", "cyd"], ["lobby", "arena"]
    for _ in range(120):
        now += random_.choice((0, 0, 1, 3, 9, 40, 200, 1000))
        user, channel = random_.choice(users), random_.choice(channels)
        target = random_.choice([*users, ""])
        violation = random_.random() < 0.3
        one = item(tenant, user, channel, target)
        features = await read(windows, one, now)
        for window in ("10s", "1m", "10m"):
            assert features[f"user.messages_{window}"] == 1 + reference.count("m", user, window, now)
        for window in ("10m", "1h", "24h"):
            assert features[f"user.violations_{window}"] == reference.count("v", user, window, now)
        for window in ("10s", "1m"):
            assert features[f"channel.messages_{window}"] == 1 + reference.count("cm", channel, window, now)
        assert features["channel.violations_10m"] == reference.count("cv", channel, "10m", now)
        assert features["user.messages_ever"] == 1 + sum(
            1 for each in reference.events if (each.what, each.subject) == ("m", user)
        )
        if target:
            assert features["target.messages_10m"] == 1 + reference.count("tm", target, "10m", now)
            assert features["target.violations_10m"] == reference.count("tv", target, "10m", now)
        assert await record(windows, one, now, violation=violation)
        assert not await record(windows, one, now, violation=violation), "a decision counts once"
        for mark, subject in (("", user), ("c", channel), ("t", target)):
            if subject:
                reference.events.append(Happened(f"{mark}m", subject, now))
                if violation:
                    reference.events.append(Happened(f"{mark}v", subject, now))


async def test_the_same_thing_said_again_is_a_repeat(windows: Windows) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    for times in range(1, 5):
        one = item(tenant, "ann", "lobby", "")
        one.content_digest = b"the same"
        assert (await read(windows, one, START))["user.repeats_10m"] == times
        await record(windows, one, START, violation=False)
    other = item(tenant, "bob", "lobby", "")
    other.content_digest = b"the same"
    features = await read(windows, other, START)
    assert (features["user.repeats_10m"], features["channel.repeats_2m"]) == (1, 5)


async def test_no_tenant_sees_anothers_counts(windows: Windows) -> None:
    one, other = (f"t{uuid.uuid4().hex[:8]}" for _ in range(2))
    for _ in range(3):
        await record(windows, item(one, "ann", "lobby", ""), START, violation=True)
    features = await read(windows, item(other, "ann", "lobby", ""), START)
    assert features["user.messages_10m"] == 1
    assert features["user.violations_24h"] == 0


async def test_events_and_facts_are_seen(windows: Windows) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    context = item_pb2.ItemContext(tenant=tenant, environment="production")
    events = [
        context_service_pb2.Event(event_id="1", type="edit", user_id="ann"),
        context_service_pb2.Event(event_id="2", type="join", user_id="ann", channel_id="lobby"),
        context_service_pb2.Event(
            event_id="3",
            type="account",
            user_id="ann",
            facts={"created_unix_seconds": START - 3 * 86400, "verified": 1},
        ),
    ]
    for event in [*events, events[0]]:
        plan = windows.plan()
        plan_event(plan, context_service_pb2.EventItem(context=context, event=event), START)
        await windows.run(plan)
    features = await read(windows, item(tenant, "ann", "lobby", ""), START)
    assert (features["user.edits_10m"], features["channel.joins_1m"]) == (1, 1)
    assert (features["account.age_days"], features["account.verified"]) == (3, 1)


async def test_what_comes_late_does_not_undo_what_is_counted(windows: Windows) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    for when in (START, START, START - 6 * 2):  # the same slot of the 10-second ring, one round earlier
        await record(windows, item(tenant, "ann", "", ""), when, violation=False)
    assert (await read(windows, item(tenant, "ann", "", ""), START))["user.messages_10s"] == 3


async def test_accounts_that_say_what_was_said_count_once_each(windows: Windows) -> None:
    tenant, digest = f"t{uuid.uuid4().hex[:8]}", uuid.uuid4().bytes

    def says(user: str, channel: str = "lobby") -> context_service_pb2.ContextItem:
        one = item(tenant, user, channel, "")
        one.content_digest = digest
        return one

    async def repeaters(user: str, channel: str = "lobby") -> float:
        return (await read(windows, says(user, channel), START))["channel.repeaters_2m"]

    assert await repeaters("ann") == 0, "nobody has said it"
    await record(windows, says("ann"), START, violation=False)
    assert await repeaters("bob") == 1, "bob would be the first to say it again"
    for user in ("bob", "bob", "cyd", "ann"):
        await record(windows, says(user), START, violation=False)
    assert await repeaters("bob") == 3
    assert await repeaters("dan") == 4
    assert await repeaters("dan", "arena") == 0, "of one channel"


async def test_no_more_than_so_many_accounts_are_kept_in_mind(windows: Windows) -> None:
    tenant, digest = f"t{uuid.uuid4().hex[:8]}", uuid.uuid4().bytes
    for number in range(300):
        one = item(tenant, f"user-{number}", "lobby", "")
        one.content_digest = digest
        await record(windows, one, START, violation=False)
    asked = item(tenant, "another", "lobby", "")
    asked.content_digest = digest
    features = await read(windows, asked, START)
    assert features["channel.repeaters_2m"] == 257
    assert features["behaviour.same_text_from_many_accounts"] == 1
