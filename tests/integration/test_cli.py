"""The `moat` command as people type it: what works, and one line that helps for each mistake."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
import yaml

from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT, Home
from tools.launcher.resolve import read_source

Ran = subprocess.CompletedProcess[str]
Run = Callable[..., Ran]


def run_in(moat_home: Path, *arguments: str | bytes, **variables: str) -> Ran:
    return subprocess.run(
        [ROOT / "bin" / "moat", *arguments],
        env={**os.environ, "MOAT_HOME": str(moat_home), **variables},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )


@pytest.fixture
def moat(mesh: Mesh) -> Run:
    """The command beside the running mesh."""
    return lambda *arguments: run_in(mesh.home.folder.parent, *arguments)


def failed(ran: Ran) -> str:
    """What it says: one line that begins with its name, and no traceback."""
    assert ran.returncode == 1, ran
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("moat: ")
    return line


def decided(moat: Run, text: str = "good evening") -> str:
    """The id of a new decision."""
    ran = moat("moderate", "--json", "--user", f"user-{uuid.uuid4()}", text)
    return str(json.loads(ran.stdout)["decision_id"])


def test_lines_are_decided(moat: Run) -> None:
    ran = moat("moderate", "--user", f"user-{uuid.uuid4()}", "good evening", "what the f.u.c.k was that")
    assert (ran.returncode, ran.stderr) == (0, "")
    first, shown, _, second, masked, _ = ran.stdout.splitlines()
    assert first.split() == ["ALLOW", "-"]
    assert shown == "  good evening"
    assert second.startswith("MASK")
    assert masked.startswith("  what the *")


def test_a_decision_is_shown_whole_and_its_trace_begins_at_the_command(moat: Run) -> None:
    decision_id = decided(moat)
    ran = moat("decision", decision_id, "--content")
    assert (ran.returncode, ran.stderr) == (0, "")
    shown = [line.split(maxsplit=1) for line in ran.stdout.splitlines()]
    assert {name for name, _ in shown} >= {
        "decision", "outcome", "policy", "score", "tier", "versions", "context", "timing", "content", "trace",
    }  # fmt: skip
    facts = dict(shown)
    assert facts["decision"] == decision_id
    assert facts["content"] == "'good evening'"
    page = facts["trace"].replace("/decisions/", "/api/decisions/")
    with urllib.request.urlopen(page, timeout=5) as answer:
        spans = json.load(answer)["spans"]
    assert "client" in {span["service"] for span in spans if not span["parent_id"]}


def test_a_decision_is_also_had_as_json(moat: Run) -> None:
    decision_id = decided(moat)
    ran = moat("decision", decision_id, "--json")
    assert json.loads(ran.stdout)["decision"]["decision_id"] == decision_id


def test_a_file_of_lines_is_replayed(moat: Run, tmp_path: Path) -> None:
    user = f"user-{uuid.uuid4()}"
    file = tmp_path / "lines.jsonl"
    file.write_text(f'{{"user": "{user}", "text": "good evening"}}\n\n{{"user": "{user}", "text": "well played"}}\n')
    ran = moat("replay", str(file))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 lines" in ran.stdout
    assert "outcomes    ALLOW 2" in ran.stdout


def test_a_line_that_cannot_be_decided_fails_the_replay_but_not_the_others(moat: Run, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text('{"user": "ann", "text": ""}\n{"user": "bob", "text": "good evening"}\n')
    ran = moat("replay", str(file))
    assert ran.returncode == 1
    assert "outcomes    ALLOW 1" in ran.stdout
    assert "errors      INVALID_REQUEST 1" in ran.stdout


def test_a_token_is_made_as_it_was_asked_for(moat: Run) -> None:
    ran = moat("token", "--tenant", "arena", "--roles", "auditor", "sre", "--ttl", "60")
    claims = jwt.decode(ran.stdout.strip(), options={"verify_signature": False})
    assert (claims["tenant"], claims["roles"], claims["exp"] - claims["iat"]) == ("arena", ["auditor", "sre"], 60)


def test_status_shows_each_process_and_where_the_mesh_is(moat: Run, mesh: Mesh) -> None:
    ran = moat("status")
    assert ran.returncode == 0
    assert {"gateway", "triton", "edge"} <= {line.split()[0] for line in ran.stdout.splitlines()}
    assert f"https://localhost:{Topology.load(mesh.home.topology).edge.port}" in ran.stdout


def test_logs_show_the_end_of_one(moat: Run) -> None:
    ran = moat("logs", "gateway", "-n", "1")
    assert ran.stdout.splitlines()[0] == "gateway"
    assert len(ran.stdout.splitlines()) == 2


def test_a_reader_that_has_enough_is_no_trouble(mesh: Mesh) -> None:
    command = f"{ROOT / 'bin' / 'moat'} logs -n 100000 | head -n 1"
    environment = {**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)}
    ran = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert ran.stderr == ""


def test_an_unknown_decision_is_not_found(moat: Run) -> None:
    assert "no such decision" in failed(moat("decision", str(uuid.uuid4())))


def test_what_is_no_decision_id_is_said_so(moat: Run) -> None:
    assert "decision_id" in failed(moat("decision", "the-last-one"))


@pytest.mark.parametrize("text", ["", b"half a letter \xc3"], ids=["empty", "not UTF-8"])
def test_text_that_cannot_be_decided_is_named(moat: Run, text: str | bytes) -> None:
    assert "content.text.text" in failed(moat("moderate", text))


def test_a_tenant_there_is_not_is_refused(moat: Run) -> None:
    assert "TENANT_UNKNOWN" in failed(moat("moderate", "hello", "--tenant", "nobody"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"user": "ann", "text": "hi"}\nhello\n', ":2: not a line of"),
        (b'{"user": "ann"}\n', ":1: not a line of {user, text, channel?, to?}: 'text'"),
        (b"[1]\n", ":1: not a line of"),
        (b'{"user": "ann", "text": "\xff"}\n', "not UTF-8"),
        (None, "No such file"),
    ],
    ids=["not JSON", "no text", "no object", "not UTF-8", "no file"],
)
def test_a_file_that_is_no_conversation_is_named_with_the_line(
    moat: Run, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "lines.jsonl"
    if content is not None:
        file.write_bytes(content)
    line = failed(moat("replay", str(file)))
    assert str(file) in line
    assert said in line


def test_a_log_there_is_not_is_told_with_those_there_are(moat: Run) -> None:
    line = failed(moat("logs", "gatewey"))
    assert "gatewey" in line
    assert "gateway" in line


@pytest.mark.parametrize(
    "command", [["moderate", "hello"], ["decision", "x"], ["token"], ["status"], ["logs"], ["logs", "gateway"]]
)
def test_without_a_mesh_one_is_told_how_to_start_it(tmp_path: Path, command: list[str]) -> None:
    assert "make up" in failed(run_in(tmp_path, *command))


@pytest.fixture
def stopped(mesh: Mesh, tmp_path: Path) -> Path:
    """What a mesh that is down has left behind."""
    home = Home.under(tmp_path)
    home.make()
    shutil.copy(mesh.home.topology, home.topology)
    return tmp_path


@pytest.mark.parametrize("command", [["moderate", "hello"], ["decision", "x"], ["replay", "samples"], ["status"]])
def test_beside_a_mesh_that_is_down_one_is_told_how_to_start_it(stopped: Path, command: list[str]) -> None:
    conversation = str(ROOT / "samples" / "conversation.jsonl")
    assert "the mesh is down; start it with `make up`" in failed(
        run_in(stopped, *(conversation if word == "samples" else word for word in command))
    )


def test_a_token_cannot_be_made_without_a_key(stopped: Path) -> None:
    home = Home.under(stopped)
    topology = json.loads(home.topology.read_text())
    for key, said in ((None, "identity provider"), (str(stopped / "gone.key"), "gone.key")):
        topology["tokens"]["signing_key_file"] = key
        home.topology.write_text(json.dumps(topology))
        assert said in failed(run_in(stopped, "token"))


def test_what_another_version_left_behind_is_said_so(stopped: Path) -> None:
    Home.under(stopped).topology.write_text('{"edge": {}}')
    assert "another version" in failed(run_in(stopped, "token"))


@pytest.mark.parametrize("command", [[], ["dance"], ["moderate"], ["logs", "-n", "none"], ["logs", "-n", "0"]])
def test_a_command_that_is_not_understood_shows_its_usage(tmp_path: Path, command: list[str]) -> None:
    ran = run_in(tmp_path, *command)
    assert ran.returncode == 2
    assert ran.stderr.startswith("usage: moat")


def test_the_configuration_as_it_stands_is_good_and_nothing_is_started(tmp_path: Path) -> None:
    ran = run_in(tmp_path, "check-config")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {line.split()[0] for line in ran.stdout.splitlines()} == {*read_source()["processes"], "edge"}
    assert list(tmp_path.iterdir()) == []


def test_each_process_whose_configuration_is_bad_says_why(tmp_path: Path) -> None:
    source = read_source()
    source["processes"]["gateway"]["settings"] = {"colour": "blue"}
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(source))
    ran = run_in(tmp_path, "check-config", "--topology", str(file), ROUTING_POLICY="none.yaml")
    assert ran.returncode == 1
    assert "gateway: bad configuration" in ran.stderr
    assert "colour" in ran.stderr
    assert "routing: bad configuration" in ran.stderr
    assert "none.yaml" in ran.stderr
    assert "audit        ok" in ran.stdout
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("text", ["servers: {}\n", "{{{", None], ids=["incomplete", "not YAML", "no file"])
def test_a_topology_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "topology.yaml"
    if text is not None:
        file.write_text(text)
    assert str(file) in failed(run_in(tmp_path, "check-config", "--topology", str(file)))
