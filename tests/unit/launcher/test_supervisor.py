"""A mesh of small processes: order, status, logs, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import program
from tools.launcher.home import Home, HomeTaken
from tools.launcher.supervisor import bound_log, stopping_order


def test_what_others_rely_on_stops_last(tmp_path: Path) -> None:
    programs = [
        program(tmp_path, name="database"),
        program(tmp_path, name="service", after=["database"]),
        program(tmp_path, name="edge", after=["service"]),
        program(tmp_path, name="page"),
    ]
    assert stopping_order(programs) == [["edge", "page"], ["service"], ["database"]]


def test_a_circle_is_stopped_all_the_same(tmp_path: Path) -> None:
    programs = [program(tmp_path, name="a", after=["b"]), program(tmp_path, name="b", after=["a"])]
    assert stopping_order(programs) == [["a", "b"]]


def test_a_log_that_grew_too_long_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_text("old" * 100 + "new")
    bound_log(log, most=100, keep=3)
    assert log.read_text() == ""
    assert (tmp_path / "one.log.1").read_text() == "new"


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_text("short")
    bound_log(log, most=100, keep=3)
    assert log.read_text() == "short"


def test_two_supervisors_never_share_a_home(tmp_path: Path) -> None:
    home = Home.under(tmp_path)
    home.make()
    assert home.supervisor() == 0
    with home.lock():
        assert home.supervisor() > 0
        with pytest.raises(HomeTaken), home.lock():
            pass
    assert home.supervisor() == 0


def test_a_home_keeps_its_secrets_to_itself(tmp_path: Path) -> None:
    home = Home.under(tmp_path)
    home.make()
    for folder in (home.secrets, home.run, home.logs):
        assert folder.stat().st_mode & 0o077 == 0
