"""A detector over HTTP, against a real server: what it is sent, what is believed, and all that can go wrong on the way."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest

from services.detection.detectors.breaker import State
from services.detection.detectors.port import Kind, Question
from tests.contract.detection.conftest import Opens
from tests.support.detectors import text
from tests.support.http_server import Answers, Asked, Reply, http_server

SLUR = "hate.slur"
USES = "http_endpoint_answers"


def reply(*results: dict[str, Any]) -> Reply:
    return Reply(json.dumps({"results": results}).encode())


async def by_text(asked: Asked) -> Reply:
    """0.9 for what has `bad` in it; in the wrong order, which is allowed."""
    items = json.loads(asked.body)["items"]
    results = [{"index": one["index"], "scores": {SLUR: 0.9 if "bad" in one["text"] else 0.1}} for one in items]
    return reply(*reversed(results))


def always(answer: Reply) -> Answers:
    async def answers(asked: Asked) -> Reply:
        return answer

    return answers


async def test_it_is_sent_contents_and_nothing_of_who_said_them(open_detector: Opens) -> None:
    async with http_server(by_text) as server:
        detector = await open_detector(USES, {"url": server.url("/v1/detect?x=1")}, categories=[SLUR], max_list=8)
        findings = await asyncio.gather(
            detector.ask(text("good\u0000 \U0001f600"), deadline=None), detector.ask(text("bad"), deadline=None)
        )
    assert [(one.state, round(one.scores[0].probability, 2)) for one in findings] == [
        ("answered", 0.1),
        ("answered", 0.9),
    ]
    (asked,) = server.asked
    assert asked.target == "/v1/detect?x=1"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert "authorization" not in asked.headers
    assert json.loads(asked.body) == {
        "detector": "theirs",
        "items": [
            {"index": 0, "kind": "text", "text": "good\u0000 \U0001f600", "surface": "chat"},
            {"index": 1, "kind": "text", "text": "bad", "surface": "chat"},
        ],
    }


async def test_a_picture_is_sent_as_it_came(open_detector: Opens) -> None:
    async with http_server(always(reply({"index": 0, "scores": {SLUR: 1}, "cost_micros": 9}))) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], kinds=["image"])
        question = Question(Kind.IMAGE, data=b"\x89PNG\xff", media_type="image/png", tenant="t")
        finding = await detector.ask(question, deadline=None)
    assert (finding.state, finding.cost_micros) == ("answered", 9)
    (item,) = json.loads(server.asked[0].body)["items"]
    assert item == {
        "index": 0,
        "kind": "image",
        "data": base64.b64encode(b"\x89PNG\xff").decode(),
        "media_type": "image/png",
    }


async def test_a_lone_surrogate_harms_nobody(open_detector: Opens) -> None:
    async with http_server(by_text) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR])
        assert (await detector.ask(text("bad \ud800"), deadline=None)).state == "answered"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'{"results": {}}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": NaN}}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": 1e999}}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": "0.9"}}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": true}}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": 2}}]}',
        b'{"results": [{"index": 0, "scores": {"hate": 0.5}}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": 0.5}, "cost_micros": -1}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": 0.5}, "cost_micros": 99999999999999999999}]}',
        b'{"results": [{"index": 0, "scores": {"hate.slur": 0.5}, "note": "hello"}]}',
        b'{"results": [{"index": 0}]}',
        b'{"results": [{"index": 0, "error": "cannot read it"}]}',
        b'{"results": [{"index": 7, "scores": {"hate.slur": 0.5}}]}',
        b'{"results": [{"index": -1, "scores": {"hate.slur": 0.5}}]}',
        b'{"results": []}',
        b"[" * 100_000,
        b'{"results": [], "x": "' + b"y" * 300_000 + b'"}',
    ],
    ids=lambda body: body[:70].decode(),
)
async def test_what_is_no_proper_answer_has_failed_and_leaves_the_breaker_closed(
    open_detector: Opens, body: bytes
) -> None:
    async with http_server(always(Reply(body))) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], breaker={"failures": 1})
        finding = await detector.ask(text("gg"), deadline=None)
    assert finding.state == "failed"
    assert not finding.scores
    assert detector.breaker.state is State.CLOSED


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Reply(status=500), "unavailable"),
        (Reply(status=503), "unavailable"),
        (Reply(status=429), "unavailable"),
        (Reply(status=401), "unavailable"),
        (Reply(status=404), "unavailable"),
        (Reply(status=204), "unavailable"),
        (Reply(status=301, headers={"location": "http://127.0.0.1:1/"}), "unavailable"),
        (Reply(status=307, headers={"location": "/elsewhere"}), "unavailable"),
        (Reply(raw=b""), "unavailable"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9\r\n"), "unavailable"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), "unavailable"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), "unavailable"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n" + b"y" * 300_000), "failed"),
        (Reply(b"\x1f\x8b", headers={"content-encoding": "gzip"}), "failed"),
        (Reply(status=400), "failed"),
        (Reply(status=413), "failed"),
        (Reply(status=422), "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.status} {(value.raw or b'')[:60].decode()}",
)
async def test_a_server_that_does_not_work_opens_the_breaker_and_one_that_refuses_a_content_does_not(
    open_detector: Opens, answer: Reply, state: str
) -> None:
    async with http_server(always(answer)) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], breaker={"failures": 1})
        assert (await detector.ask(text("gg"), deadline=None)).state == state
    assert detector.breaker.state is (State.OPEN if state == "unavailable" else State.CLOSED)
    assert len(server.asked) == 1, "nothing is asked twice, and nobody is followed"


async def test_whatever_a_server_says_is_an_answer_or_none(open_detector: Opens) -> None:
    body = b'{"results": [{"index": 0, "scores": {"hate.slur": 0.5}}]}'
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    random_ = random.Random(7)

    async def damaged(asked: Asked) -> Reply:
        reply = bytearray(whole)
        for _ in range(random_.randrange(4)):
            at = random_.randrange(len(reply))
            reply[at : at + random_.randrange(3)] = random_.randbytes(random_.randrange(3))
        return Reply(raw=bytes(reply[: random_.randrange(len(reply) // 2, len(reply) * 3)]))

    async with http_server(damaged) as server:
        breaker = {"failures": 1000, "calls": 1000}
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], breaker=breaker)
        findings = [await detector.ask(text("gg"), deadline=None) for _ in range(300)]
    assert {finding.state for finding in findings} == {"answered", "failed", "unavailable"}
    assert {len(finding.scores) for finding in findings if finding.state == "answered"} <= {0, 1}


async def test_a_server_that_is_slow_or_drips_has_the_time_of_its_file(open_detector: Opens) -> None:
    async def hangs(asked: Asked) -> Reply:
        await asyncio.Event().wait()
        return Reply()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        except OSError:
            pass
        finally:
            writer.close()

    async with http_server(hangs) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], deadline_ms=50)
        assert (await detector.ask(text("gg"), deadline=None)).state == "out_of_time"
    dripping = await asyncio.start_server(drips, "127.0.0.1", 0)
    async with dripping:
        url = f"http://127.0.0.1:{dripping.sockets[0].getsockname()[1]}/"
        detector = await open_detector(USES, {"url": url}, categories=[SLUR], deadline_ms=50)
        assert (await detector.ask(text("gg"), deadline=None)).state == "out_of_time"


async def test_nobody_there_is_unavailable(open_detector: Opens) -> None:
    async with http_server(by_text) as server:
        url = server.url()
    detector = await open_detector(USES, {"url": url}, categories=[SLUR])
    assert (await detector.ask(text("gg"), deadline=None)).state == "unavailable"


async def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_replaced(open_detector: Opens) -> None:
    async with http_server(by_text) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR], breaker={"failures": 1})
        for _ in range(3):
            assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
        assert server.connections == 1
        server.hang_up()
        assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
        assert server.connections == 2


async def test_a_connection_that_is_closed_after_its_answer_is_not_used_again(open_detector: Opens) -> None:
    async with http_server(always(Reply(b'{"results": []}', close=True))) as server:
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR])
        for _ in range(2):
            assert (await detector.ask(text("gg"), deadline=None)).state == "failed"
        assert server.connections == 2


async def test_a_secret_is_sent_and_read_anew_when_it_changes(open_detector: Opens, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    async with http_server(by_text) as server:
        detector = await open_detector(USES, {"url": server.url(), "secret_file": "secret"}, categories=[SLUR])
        for content in ("first", "second"):
            secret.write_text(content)
            assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, b"", b"two words", b"line\r\nx-evil: 1", b"\xff\xfe"])
async def test_a_secret_that_cannot_be_used_leaves_the_server_unasked(
    open_detector: Opens, tmp_path: Path, content: bytes | None
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("good")
    async with http_server(by_text) as server:
        detector = await open_detector(USES, {"url": server.url(), "secret_file": "secret"}, categories=[SLUR])
        secret.unlink() if content is None else secret.write_bytes(content)
        assert (await detector.ask(text("gg"), deadline=None)).state == "unavailable"
    assert server.connections == 0


async def test_over_tls_a_certificate_is_believed_for_its_own_name_and_authority_alone(
    open_detector: Opens, certificates: Path
) -> None:
    async with http_server(by_text, certificates=certificates) as server:
        ours = {"ca_file": str(certificates / "ca.pem")}
        for url, settings, state in (
            (server.url(), ours, "answered"),
            (server.url(host="localhost"), ours, "answered"),
            (server.url(), {}, "unavailable"),
            (server.url(host="127.0.0.2"), ours, "unavailable"),
        ):
            detector = await open_detector(USES, {"url": url, **settings}, categories=[SLUR])
            assert (await detector.ask(text("gg"), deadline=None)).state == state, url
    assert len(server.asked) == 2


async def test_a_proxy_in_the_environment_is_not_asked(open_detector: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_server(by_text) as proxy, http_server(by_text) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        detector = await open_detector(USES, {"url": server.url()}, categories=[SLUR])
        assert (await detector.ask(text("gg"), deadline=None)).state == "answered"
    assert proxy.connections == 0


async def test_a_server_that_dies_under_load_costs_nobody_more_than_its_deadline_and_is_found_again(
    open_detector: Opens,
) -> None:
    busy = asyncio.Event()

    async def slowly(asked: Asked) -> Reply:
        busy.set()
        await asyncio.sleep(0.01)
        return await by_text(asked)

    breaker = {"failures": 2, "calls": 4, "seconds": 0.2}
    async with http_server(slowly) as server:
        url, port = server.url(), server.port
        detector = await open_detector(USES, {"url": url}, categories=[SLUR], max_list=4, queue=1000, breaker=breaker)
        asking = [asyncio.create_task(detector.ask(text(f"gg {number}"), deadline=None)) for number in range(200)]
        await busy.wait()
    states = {one.state for one in await asyncio.gather(*asking)}
    assert "unavailable" in states
    assert states <= {"answered", "unavailable"}
    assert detector.breaker.state.value != "closed"
    async with http_server(by_text, port=port), asyncio.timeout(10):
        while (await detector.ask(text("bad"), deadline=None)).state != "answered":
            await asyncio.sleep(0.02)
    assert detector.breaker.state is State.CLOSED
