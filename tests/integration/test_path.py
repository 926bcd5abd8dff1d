"""One real message, decided: through a real edge, gateway, models, log, drain and record."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import grpc
import psycopg
import pytest
from moat.context.v1 import context_service_pb2
from moat.moderation.v1 import moderation_service_pb2, moderation_service_pb2_grpc
from moat_client import Decision, Moat, MoatError

from services.runtime.topology import Topology
from tools.launcher.control import Mesh

ROLES = ("game_server", "moderator")


def client(mesh: Mesh, *, tenant: str = "demo", roles: tuple[str, ...] = ROLES, timeout: float = 5.0) -> Moat:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant=tenant, roles=roles)
    return Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=timeout)


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    async with client(mesh) as opened:
        yield opened


def someone() -> str:
    return f"user-{uuid.uuid4()}"


async def test_a_clean_line_is_allowed_and_recorded_whole(moat: Moat) -> None:
    decision = await moat.moderate("good evening, ready for the dungeon?", user_id=someone(), channel_id="lobby")
    assert (decision.outcome, decision.display_text) == ("ALLOW", "good evening, ready for the dungeon?")
    found = await moat.get_decision(decision.decision_id, include_content=True)
    record = found.decision
    assert found.content.text.text == "good evening, ready for the dungeon?"
    assert record.sealed_content.wrapped_key == b""
    assert record.verdict.policy.content_hash == decision.policy_hash != ""
    assert {score.category for score in record.signals.scores} == set(decision.scores)
    assert record.features["user.messages_1m"] == 1
    assert [timing.hop for timing in record.timings] != []
    assert record.trace_id == decision.trace_id


async def test_swearing_is_masked_where_it_stands(moat: Moat) -> None:
    decision = await moat.moderate("what the f.u.c.k was that", user_id=someone())
    assert decision.outcome == "MASK"
    assert decision.display_text.startswith("what the *")
    assert decision.display_text.endswith(" was that")


async def test_a_threat_mutes_and_the_mute_is_an_input_to_the_next_verdict(moat: Moat) -> None:
    user = someone()
    threat = await moat.moderate("i will find you and kill you for real", user_id=user)
    assert threat.outcome == "DROP"
    (mute,) = [action for action in threat.actions if action.kind == "MUTE"]
    assert mute.state == "APPLIED"
    assert not (await moat.check_subject(user)).may_post
    assert (await moat.moderate("hello again", user_id=user)).outcome == "DROP"
    await moat.reverse_enforcement(mute.enforcement_id, "it was a quote from a film")
    assert (await moat.check_subject(user)).may_post
    assert (await moat.moderate("hello again", user_id=user)).outcome == "ALLOW"


async def test_a_repeat_gets_the_first_decision(moat: Moat) -> None:
    user, request_id = someone(), str(uuid.uuid4())
    first = await moat.moderate("nice save", user_id=user, request_id=request_id)
    again = await moat.moderate("nice save", user_id=user, request_id=request_id)
    assert again.replayed
    assert again.decision_id == first.decision_id


async def test_a_request_id_with_other_content_is_refused(moat: Moat) -> None:
    user, request_id = someone(), str(uuid.uuid4())
    await moat.moderate("nice save", user_id=user, request_id=request_id)
    with pytest.raises(MoatError) as caught:
        await moat.moderate("something else", user_id=user, request_id=request_id)
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_the_same_text_again_is_known_already_and_the_record_says_so(moat: Moat) -> None:
    text = f"did you see the comet {uuid.uuid4()}"
    records = []
    for _ in range(2):
        decision = await moat.moderate(text, user_id=someone())
        records.append((await moat.get_decision(decision.decision_id)).decision.signals)
    assert [tier.name for tier in records[1].tiers] == ["cache", *(tier.name for tier in records[0].tiers)]
    assert list(records[1].scores) == list(records[0].scores)


async def test_do_not_store_keeps_facts_only(moat: Moat) -> None:
    decision = await moat.moderate("between us", user_id=someone(), do_not_store=True)
    found = await moat.get_decision(decision.decision_id, include_content=True)
    assert not found.HasField("content")
    assert not found.decision.HasField("sealed_content")


async def test_another_tenant_sees_nothing(mesh: Mesh, moat: Moat) -> None:
    decision = await moat.moderate("ours alone", user_id=someone())
    await moat.get_decision(decision.decision_id)
    async with client(mesh, tenant="arena") as other:
        with pytest.raises(MoatError) as caught:
            await other.get_decision(decision.decision_id)
        assert caught.value.code is grpc.StatusCode.NOT_FOUND
        listed = await other.list_decisions()
    assert decision.decision_id not in {one.decision_id for one in listed.decisions}


async def test_decisions_are_listed_by_filter_and_page(moat: Moat) -> None:
    user = someone()
    made = [await moat.moderate(f"line number {number}", user_id=user) for number in range(3)]
    for decision in made:
        await moat.get_decision(decision.decision_id)
    first = await moat.list_decisions(f'user_id = "{user}" AND outcome = "ALLOW"', page_size=2)
    rest = await moat.list_decisions(
        f'user_id = "{user}" AND outcome = "ALLOW"', page_size=2, page_token=first.next_page_token
    )
    listed = [one.decision_id for one in (*first.decisions, *rest.decisions)]
    assert listed == [one.decision_id for one in reversed(made)]
    assert rest.next_page_token == ""


@pytest.mark.parametrize(
    ("filter_", "said"),
    [
        ("colour = 1", "colour"),
        ('outcome > "DROP"', "text"),
        ("(outcome = DROP", "parenthesis"),
        ("severity = x", "number"),
    ],
)
async def test_a_bad_filter_is_named(moat: Moat, filter_: str, said: str) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.list_decisions(filter_)
    assert caught.value.reason == "BAD_FILTER"
    assert said in caught.value.message


@pytest.mark.parametrize("text", ["", "x" * 10_001, "x" * 1_000_000, "lone \ud800 surrogate"])
async def test_text_that_cannot_be_decided_is_refused_by_field(moat: Moat, text: str) -> None:
    with pytest.raises(MoatError) as caught:
        await moat.moderate(text, user_id=someone())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(caught.value.fields) == ["content.text.text"]


async def test_control_characters_are_decided_like_any_text(moat: Moat) -> None:
    assert (await moat.moderate("good\x00 game\x07 all\x1b", user_id=someone())).outcome == "ALLOW"


async def test_a_line_over_the_limit_is_refused_by_the_server_too(mesh: Mesh) -> None:
    error = await raw(mesh, "x" * 1_000_000)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "10000" in (error.details() or "")


async def test_bytes_that_are_no_text_are_refused(mesh: Mesh) -> None:
    edge = Topology.load(mesh.home.topology).edge
    credentials = grpc.ssl_channel_credentials(edge.ca_file.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{edge.port}", credentials) as channel:
        call = channel.unary_unary("/moat.moderation.v1.ModerationService/Moderate", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            # item { content { text { text: 0xff } } }
            await call(
                bytes.fromhex("0a073205 0a030a01ff".replace(" ", "")),
                metadata=(("authorization", f"Bearer {mesh.token()}"),),
                timeout=5,
            )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ({"tenant": "nobody"}, grpc.StatusCode.PERMISSION_DENIED),
        ({"environment": "nowhere"}, grpc.StatusCode.PERMISSION_DENIED),
        ({"roles": ["auditor"]}, grpc.StatusCode.PERMISSION_DENIED),
        ({"ttl_seconds": -60}, grpc.StatusCode.UNAUTHENTICATED),
    ],
)
async def test_a_token_that_does_not_fit_is_refused(
    mesh: Mesh, token: dict[str, object], code: grpc.StatusCode
) -> None:
    assert (await raw(mesh, "hello", **token)).code() is code


async def test_a_deadline_that_has_passed_is_an_error_and_not_a_wait(moat: Moat) -> None:
    began = time.monotonic()
    with pytest.raises(MoatError) as caught:
        await moat.moderate("hello", user_id=someone(), timeout=0.0)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 1


async def test_a_list_over_the_limit_is_refused_whole(mesh: Mesh, moat: Moat) -> None:
    item = moderation_service_pb2.ModerateRequest().item
    with pytest.raises(MoatError) as caught:
        await moat.moderate_many([item] * 257)
    assert "items" in caught.value.fields


async def test_an_unknown_event_is_refused_alone(moat: Moat) -> None:
    response = await moat.ingest(
        [
            context_service_pb2.Event(event_id=str(uuid.uuid4()), type="join", user_id="u", channel_id="c"),
            context_service_pb2.Event(event_id=str(uuid.uuid4()), type="teleport", user_id="u", channel_id="c"),
        ]
    )
    assert [result.error.code for result in response.results] == [0, grpc.StatusCode.INVALID_ARGUMENT.value[0]]
    assert "teleport" in response.results[1].error.message


async def test_one_line_alone_and_among_many_scores_the_same(moat: Moat) -> None:
    line = "you might be the worst tank i have seen, no offence"
    alone = await moat.moderate(line, user_id=someone())
    neighbours = [
        moat.moderate(f"a long neighbour {number} " + "that goes on and on about nothing " * 8, user_id=someone())
        for number in range(31)
    ]
    among, *_ = await asyncio.gather(moat.moderate(line, user_id=someone()), *neighbours)
    assert among.scores == pytest.approx(alone.scores, abs=1e-3)


async def test_the_plain_text_is_nowhere_at_rest(mesh: Mesh, moat: Moat) -> None:
    secret = f"zebra{uuid.uuid4().hex}"
    decision: Decision = await moat.moderate(f"my secret word is {secret}", user_id=someone())
    await moat.get_decision(decision.decision_id)
    with_it = [
        path
        for path in mesh.home.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes()
    ]
    assert with_it == []


async def test_row_level_security_holds_for_the_services_own_role(mesh: Mesh, moat: Moat) -> None:
    decision = await moat.moderate("rows of ours", user_id=someone())
    await moat.get_decision(decision.decision_id)
    postgres = Topology.load(mesh.home.topology).postgres
    password = postgres.password_files["moat_audit"].read_text().strip()
    conninfo = f"host={postgres.host} port={postgres.port} user=moat_audit password={password} dbname=moat"
    count = "select count(*) from audit.decisions"
    with psycopg.connect(conninfo) as connection:
        assert connection.execute(count).fetchone() == (0,)
        connection.rollback()
        for tenant, sees in (("demo", True), ("arena", False), ("", False)):
            connection.execute(
                "select set_config('app.tenant', %s, true), set_config('app.environment', 'production', true)", [tenant]
            )
            found = connection.execute(f"{count} where decision_id = %s", [decision.decision_id]).fetchone()
            assert found == (int(sees),)
            connection.rollback()
        # The same connection, as a pool hands it on: nothing of the last tenant is left.
        assert connection.execute(count).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from audit.decisions")


async def raw(mesh: Mesh, text: str, **token: object) -> grpc.aio.AioRpcError:
    """The error that a caller without the SDK gets."""
    edge = Topology.load(mesh.home.topology).edge
    request = moderation_service_pb2.ModerateRequest()
    request.item.request_id, request.item.user_id = str(uuid.uuid4()), "u"
    request.item.content.text.text = text
    credentials = grpc.ssl_channel_credentials(edge.ca_file.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{edge.port}", credentials) as channel:
        stub = moderation_service_pb2_grpc.ModerationServiceStub(channel)
        metadata = (("authorization", f"Bearer {mesh.token(**token)}"),)  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Moderate(request, metadata=metadata, timeout=5)
    return caught.value
