"""A second release for tests: made of the one that is committed, with other numbers, so that every score differs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from inference.server import REPOSITORY
from services.detection.releases.loading import Places, Release
from services.detection.releases.making import make_release
from services.detection.settings import DetectionSettings
from tools.launcher.resolve import read_source

OTHER = "text-9"
_SHIFT = 1.0
"""Added to every log-odds."""


class Copied:
    """A folder with a model repository, weights, releases and a plan of its own."""

    def __init__(self, folder: Path) -> None:
        settings = DetectionSettings()
        self.live = settings.live_release()
        self.repository = folder / "repository"
        # The others have no part in it.
        shutil.copytree(REPOSITORY / "deep_text", self.repository / "deep_text", copy_function=_linked)
        self.places = Places(folder / "releases", self.repository / "deep_text", folder / "fast_text")
        for path in (self.places.releases, self.places.fast_text):
            path.mkdir()
        shutil.copytree(self.live.fast_text, self.places.fast_text / self.live.document.fast.version)
        shutil.copy2(settings.releases / f"{self.live.name}.yaml", self.places.releases)
        self.plan = folder / "plan.yaml"
        self.plan.write_text(yaml.safe_dump({"live": self.live.name}))

    def add_other(self) -> Release:
        """Version 9 of both tiers, with every score further up."""
        shutil.copytree(self.live.model.parent, self.places.deep_text / "9", copy_function=_linked)
        fast = self.places.fast_text / "9"
        shutil.copytree(self.live.fast_text, fast)
        document = json.loads((fast / "cascade.json").read_text())
        for category in document["categories"].values():
            category["alone"][-1] += _SHIFT
            category["together"][-1] += _SHIFT
        (fast / "cascade.json").write_text(json.dumps(document))
        return make_release(self.places, OTHER, deep="9", fast="9", tokenizer=self.live.document.tokenizer.file)

    def topology(self, path: Path) -> Path:
        """A source for a mesh that runs from here."""
        source: dict[str, Any] = read_source()
        source["servers"]["triton"]["repository"] = str(self.repository)
        source["processes"]["detection"]["settings"] = {
            "releases": str(self.places.releases),
            "fast_text": str(self.places.fast_text),
            "deep_text": str(self.places.deep_text),
            "plan": str(self.plan),
            "deep": "always",
            "cache_entries": 0,
        }
        # A busy machine is slow, which is not what is looked for: what is missing, is missing at once.
        gateway = source["processes"]["gateway"]
        gateway["settings"] = gateway.get("settings", {}) | {"detection": {"share": 0.8, "seconds": 30.0}}
        path.write_text(yaml.safe_dump(source))
        return path


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
