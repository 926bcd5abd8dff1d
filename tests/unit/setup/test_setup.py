"""What setting up asks of a machine: said before anything is downloaded, with its remedy; and nothing once it is done."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference.environment import UnusableEnvironment, find_libpython
from tools.setup import interpreter, pythons
from tools.setup.failure import SetupFailed
from tools.setup.interpreter import choose_interpreter
from tools.setup.place import check_place
from tools.setup.run import ROOT


@pytest.mark.parametrize("name", ["with space", "with:colon", "with'quote", "with$dollar"])
def test_a_path_that_make_cannot_live_with_is_named_with_its_remedy(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupFailed, match="move this folder") as failure:
        check_place(tmp_path / name / "envs")
    assert name in str(failure.value)
    assert not (tmp_path / name).exists()


def test_a_good_path_is_made(tmp_path: Path) -> None:
    check_place(tmp_path / "a-good.path_1" / "envs")
    assert list((tmp_path / "a-good.path_1").iterdir()) == []


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_a_machine_there_are_no_servers_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(SetupFailed, match=f"Linux on x86-64 with glibc, and this is {system} {machine}"):
        check_place(tmp_path / "envs")


def test_too_little_room_is_said_before_it_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(SetupFailed, match=r"less than 2\.5 GB left; make room"):
        check_place(tmp_path / "envs")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupFailed, match="cannot be made: Not a directory"):
        check_place(tmp_path / "file" / "moat" / "envs")


def test_a_folder_in_which_nothing_runs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(subprocess, "run", refused)
    with pytest.raises(SetupFailed, match="mounted noexec"):
        check_place(tmp_path / "envs")
    assert list(tmp_path.iterdir()) == []


def a_python(folder: Path, name: str, *, usable: bool) -> Path:
    """Something on PATH that answers as a Python does that has venv, or that lacks it."""
    script = folder / name
    script.write_text(f"#!/bin/sh\nexit {0 if usable else 1}\n")
    script.chmod(0o755)
    return script


def test_a_python_without_venv_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = a_python(tmp_path, "python3.11", usable=False)
    good = a_python(tmp_path, "python3.13", usable=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(lacking))
    assert pythons.usable_pythons() == [str(good)]


def test_a_machine_without_a_usable_python_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(a_python(tmp_path, "python3.12", usable=False)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupFailed, match="apt-get install python3 python3-venv"):
        choose_interpreter(needs_libpython=False)


def test_a_missing_libpython_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnusableEnvironment, match=r"apt-get install libpython3\.99"):
        find_libpython("3.99", "")

    def none(version: str, _: str) -> Path:
        return find_libpython(f"{version}.none", "")

    monkeypatch.setattr(interpreter, "find_libpython", none)
    with pytest.raises(SetupFailed, match=r"libpython3.*is not here; run `apt-get install libpython3"):
        choose_interpreter(needs_libpython=True)


def set_up(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.setup", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_set_up_needs_no_network_and_says_nothing() -> None:
    nowhere = "http://127.0.0.1:1"
    done = set_up("services", "triton", PIP_INDEX_URL=nowhere, HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_environment_there_is_not_is_refused() -> None:
    assert set_up("kitchen").returncode == 2
