"""What is made from files follows them, and never becomes nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from services.runtime.background import end_tasks
from services.runtime.reloading import RELOADS, STALE, Reloading, watching


class Files:
    """Makes a text of all files of a folder; a file that says `bad` cannot be read."""

    def __init__(self, folder: Path, what: str) -> None:
        self.folder = folder
        self.made = 0
        self.heard: list[str] = []
        self.live = Reloading(what, [folder, folder / "none"], self.make, endings=(".yaml",), changed=self.heard.append)

    def make(self) -> str:
        self.made += 1
        text = "".join(path.read_text() for path in sorted(self.folder.rglob("*.yaml")))
        if "bad" in text:
            raise LookupError(text)
        return text


def count(what: str, outcome: str) -> float:
    return float(RELOADS.labels(what, outcome)._value.get())


async def test_it_follows_files_that_change_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("1")
    files = Files(tmp_path, "follows")
    assert files.live.current == "1"
    (tmp_path / "deeper").mkdir()
    for path, text, whole in [("deeper/two.yaml", "2", "21"), ("one.yaml", "3", "23"), ("one.yaml", "4", "24")]:
        (tmp_path / path).write_text(text)
        os.utime(tmp_path / path, ns=(files.made, files.made))
        assert await files.live.look()
        assert files.live.current == whole
    (tmp_path / "one.yaml").unlink()
    assert await files.live.look()
    assert files.live.current == "2"
    assert files.heard == ["21", "23", "24", "2"]


async def test_what_has_not_changed_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("1")
    files = Files(tmp_path, "idle")
    (tmp_path / "notes.txt").write_text("of no interest")
    assert not await files.live.look()
    assert files.made == 1


async def test_bad_files_leave_what_was_good_and_are_counted_until_they_are_mended(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("good")
    files = Files(tmp_path, "mended")
    (tmp_path / "one.yaml").write_text("bad, very")
    assert not await files.live.look()
    assert not await files.live.look()
    assert files.live.current == "good"
    assert files.heard == []
    assert count("mended", "bad") == 1
    assert STALE.labels("mended")._value.get() == 1
    (tmp_path / "one.yaml").write_text("better")
    assert await files.live.look()
    assert files.live.current == "better"
    assert STALE.labels("mended")._value.get() == 0


def test_bad_files_at_the_start_are_told(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("bad")
    with pytest.raises(LookupError):
        Files(tmp_path, "start")


async def test_one_file_may_be_watched_that_does_not_exist_yet(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    live = Reloading("single", [path], lambda: path.read_text() if path.exists() else "none")
    assert live.current == "none"
    path.write_text("some")
    assert await live.look()
    assert live.current == "some"


async def test_watching_goes_on_after_bad_files_and_ends_when_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.reloading._LOOK_SECONDS", 0.01)
    first, second = Files(tmp_path / "a", "first"), Files(tmp_path / "b", "second")
    for name, text in (("a", "bad"), ("b", "good")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.yaml").write_text(text)
    task = asyncio.create_task(watching(first.live, second.live))
    async with asyncio.timeout(5):
        while not second.heard:
            await asyncio.sleep(0.01)
    assert first.live.current == ""
    assert second.live.current == "good"
    await end_tasks([task])
    assert task.cancelled()
