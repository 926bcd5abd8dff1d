"""Releases and plans as files: what is committed holds, and what does not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.detection.releases.loading import BadRelease, Places, load_plan, load_release
from services.detection.releases.making import make_release
from services.detection.settings import DetectionSettings

SETTINGS = DetectionSettings()


def plan(folder: Path, **fields: object) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def test_what_is_live_here_is_what_lies_here() -> None:
    SETTINGS.live_release().verify(with_model=True)


@pytest.mark.parametrize("changed", ["deep_text/tokenizer.json", "fast_text/1/weights.npz", "fast_text/1/cascade.json"])
def test_a_file_that_is_not_the_released_one_is_refused_by_name(places: Places, tmp_path: Path, changed: str) -> None:
    (tmp_path / changed).write_text("something else")
    with pytest.raises(BadRelease, match=Path(changed).name):
        load_release(places, "text-1")


def test_a_model_that_is_not_the_released_one_is_found_where_it_is_looked_for(places: Places, tmp_path: Path) -> None:
    release = load_release(places, "text-1")
    release.verify(with_model=True)
    release.model.write_text("something else")
    with pytest.raises(BadRelease, match=r"model\.onnx"):
        release.verify(with_model=True)


def test_releases_of_the_same_files_are_the_same(places: Places, tmp_path: Path) -> None:
    again = make_release(places, "text-again", deep="1", fast="1")
    assert again.digest == load_release(places, "text-1").digest
    (tmp_path / "fast_text/1/cascade.json").write_text("other numbers")
    assert make_release(places, "text-again", deep="1", fast="1").digest != again.digest


def test_the_first_plan_that_there_is_counts(places: Places, tmp_path: Path) -> None:
    own, configured = tmp_path / "own.yaml", plan(tmp_path, live="text-1")
    assert load_plan((own, configured), places).live.name == "text-1"
    own.write_text("live: text-7")
    with pytest.raises(BadRelease, match="there is no release 'text-7'"):
        load_plan((own, configured), places)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "live: Field required"),
        ({"live": "text-1", "canery": {}}, "canery"),
        ({"live": "text-1", "canary": {"release": "text-1", "percent": 5}}, "canary: release: text-1 is live"),
        ({"live": "text-1", "shadow": {"release": "text-1"}}, "shadow: release: text-1 is live"),
        ({"live": "text-1", "canary": {"release": "text-2", "percent": 101}}, "less than or equal to 100"),
        ({"live": "text-1", "shadow": {"release": "text-2", "percent": 0}}, "greater than 0"),
        ({"live": "text-1", "limits": {"politics": [0.5]}}, "'politics' is no category"),
        ({"live": "text-1", "limits": {"hate": [1.0]}}, "between 0 and 1"),
        ({"live": "Text 1"}, "live: String should match"),
    ],
)
def test_a_plan_that_cannot_be_used_says_why(
    places: Places, tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(BadRelease, match=said) as failure:
        load_plan((plan(tmp_path, **fields),), places)
    assert "plan.yaml" in str(failure.value)


def test_a_release_goes_by_its_files_name(places: Places) -> None:
    (places.releases / "text-1.yaml").rename(places.releases / "text-2.yaml")
    with pytest.raises(BadRelease, match="must be the same"):
        load_release(places, "text-2")


def test_a_plan_names_each_release_once(places: Places, tmp_path: Path) -> None:
    make_release(places, "text-2", deep="1", fast="1")
    path = plan(tmp_path, live="text-1", canary={"release": "text-2", "percent": 5}, shadow={"release": "text-2"})
    assert list(load_plan((path,), places).releases) == ["text-1", "text-2"]


def test_a_shadow_is_held_against_the_limits_at_which_the_default_policy_acts() -> None:
    limits = yaml.safe_load((SETTINGS.plan.parent / "policies" / "default.yaml").read_text())["limits"]["default"]
    named = {
        "toxicity": "toxicity",
        "harassment.insult": "insult",
        "hate": "hate",
        "violence.threat": "threat",
        "sexual": "sexual",
        "platform.profanity": "profanity",
        "self_harm": "self_harm",
        "integrity.spam": "spam",
    }
    planned = load_plan((SETTINGS.plan,), SETTINGS.places).document.limits
    assert planned == {
        category: tuple(limits[key] for key in (name, f"{name}_sure") if key in limits)
        for category, name in named.items()
    }
