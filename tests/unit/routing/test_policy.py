"""A policy: what it refuses to load, what it decides, and that nothing of one item is seen by the next."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from moat.enforcement.v1 import enforcement_pb2
from moat.routing.v1 import verdict_pb2
from pydantic import ValidationError

from services.routing.document import PolicyDocument
from services.routing.loading import load, load_or_last_good
from services.routing.policy import BadPolicy, Policy
from services.routing.views import Item

DEFAULT = Path(__file__).parents[3] / "config" / "policies" / "default.yaml"


def document(**rule: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a rule
    """A policy of one rule."""
    defaults = {
        "id": "one",
        "description": "A rule.",
        "when": 'score["hate"] >= limit.hate',
        "category": "hate",
        "severity": 3,
        "effects": [{"kind": "DROP"}],
    }
    return {
        "name": "small",
        "version": "1",
        "limits": {"default": {"hate": 0.7}, "username": {"hate": 0.4}},
        "missing": {"default": {}},
        "rules": [defaults | rule],
        "tests": [{"name": "nothing is shown", "expect": "ALLOW"}],
    }


def policy(**rule: Any) -> Policy:  # noqa: ANN401 - fields of a rule
    return Policy(PolicyDocument.model_validate(document(**rule)))


def item(surface: str = "chat", **scores: Any) -> Item:  # noqa: ANN401 - scores, beside a text
    made = Item(surface=surface)
    for category, probability in scores.items():
        made.signals.scores.add(category=category, probability=probability)
    return made


def outcome(decider: Policy, one: Item) -> str:
    return verdict_pb2.Outcome.Name(decider.decide(one).outcome).removeprefix("OUTCOME_")


def test_the_default_policy_holds_its_own_tests() -> None:
    assert load(DEFAULT).document.name == "default"


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ('score["heit"] >= 0.5', "score has no 'heit'"),
        ("user.mesages_10s > 1.0", "user has no 'mesages_10s'"),
        ("limit.hat > 1.0", "limit has no 'hat'"),
        ("weather.rain > 1.0", "'weather' is not known"),
        ("rain", "are not known"),
        ("surface", "must be true or false"),
        ('score["hate"] >=', "rule one"),
        ('score["hate"] + "x" == "y"', "rule one"),
        ("(" * 13 + "true" + ")" * 13, "nested deeper"),
    ],
)
def test_a_rule_that_cannot_hold_stops_the_load(when: str, problem: str) -> None:
    with pytest.raises(BadPolicy, match=f"rule one.*{problem}|{problem}"):
        policy(when=when)


@pytest.mark.parametrize(
    "change",
    [
        {"effects": [{"kind": "MUTE"}]},
        {"effects": [{"kind": "SHOUT"}]},
        {"category": "weather"},
        {"severity": 9},
        {"x": 1},
    ],
)
def test_a_field_that_cannot_be_stops_the_load(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(**change)


def test_limits_differ_by_surface() -> None:
    one = policy()
    assert [outcome(one, item(surface, hate=0.5)) for surface in ("chat", "username", "unheard-of")] == [
        "ALLOW",
        "DROP",
        "ALLOW",
    ]


def test_nothing_of_one_item_is_seen_by_the_next() -> None:
    one = policy(when='score["hate"] >= 0.7 || term["hate"] || user.messages_10s > 3.0 || restricted.banned')
    hot = item(hate=0.9)
    hot.signals.spans.add(category="hate", source="terms", end=1)
    hot.features["user.messages_10s"] = 9
    hot.restrictions.add(kind=enforcement_pb2.EFFECT_KIND_BAN)
    assert [outcome(one, each) for each in (item(), hot, item())] == ["ALLOW", "DROP", "ALLOW"]


def test_texts_in_rules_are_left_alone() -> None:
    one = policy(when="""surface.startsWith("user.na") || surface == 'score["hate"]' || language == "de" """)
    assert outcome(one, item("user.name")) == "DROP"
    assert outcome(one, item('score["hate"]')) == "DROP"
    assert outcome(one, item("chat")) == "ALLOW"


def test_the_same_item_gives_the_same_verdict() -> None:
    one = load(DEFAULT)
    scores: dict[str, Any] = {"harassment.insult": 0.97, "toxicity": 0.95, "violence.threat": 0.8}
    same = item(**scores)
    first = one.decide(same).SerializeToString(deterministic=True)
    one.decide(item(hate=0.99))
    assert one.decide(same).SerializeToString(deterministic=True) == first


def test_the_longest_of_each_effect_counts_and_the_severest_rule_speaks() -> None:
    short = document(effects=[{"kind": "MUTE", "seconds": 60}], notice="short")
    short["rules"].append(
        short["rules"][0]
        | {"id": "two", "severity": 4, "effects": [{"kind": "MUTE", "seconds": 600}], "notice": "long"}
    )
    verdict = Policy(PolicyDocument.model_validate(short)).decide(item(hate=0.9))
    assert [(effect.duration.seconds, list(effect.rule_ids)) for effect in verdict.effects] == [(600, ["one", "two"])]
    assert (verdict.severity, verdict.notice) == (4, "long")


def test_how_a_policy_is_laid_out_does_not_change_its_hash() -> None:
    one = document()
    other = dict(reversed(copy.deepcopy(one).items()))
    hashes = {PolicyDocument.model_validate(each).content_hash for each in (one, other)}
    assert len(hashes) == 1
    assert PolicyDocument.model_validate(document(severity=2)).content_hash not in hashes


@pytest.mark.parametrize(
    ("missing", "expected"), [("detection", "HOLD"), ("context", "ALLOW"), ("restrictions", "ALLOW")]
)
def test_each_missing_part_is_named_and_answered(missing: str, expected: str) -> None:
    verdict = load(DEFAULT).decide(Item(surface="chat", missing=[missing]))
    assert verdict_pb2.Outcome.Name(verdict.outcome) == f"OUTCOME_{expected}"
    assert [one.partition(":")[0] for one in verdict.degraded] == [missing]


def test_a_policy_whose_own_test_fails_is_refused() -> None:
    failing = document()
    failing["tests"] = [{"name": "hate is shown", "scores": {"hate": 0.9}, "expect": "ALLOW"}]
    with pytest.raises(BadPolicy, match=r"hate is shown.*expected ALLOW, is DROP"):
        Policy(PolicyDocument.model_validate(failing))


def test_a_file_that_has_gone_bad_leaves_the_last_good_policy_deciding(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(document()))
    good = load_or_last_good(file, tmp_path)
    file.write_text("rules: [")
    assert load_or_last_good(file, tmp_path).document == good.document
    with pytest.raises(BadPolicy, match=r"policy\.yaml"):
        load(file)


def picture(category: str = "", **match: Any) -> Item:  # noqa: ANN401 - fields of a match
    made = Item(surface="chat")
    made.signals.image.pdq_quality = 100
    if category:
        made.signals.matches.add(bank="known", entry_id="e", category=category, **match)
    return made


def test_a_known_picture_is_seen_by_its_category() -> None:
    decider = policy(when='match["violence.graphic"]', category="violence.graphic")
    assert outcome(decider, picture("violence.graphic")) == "DROP"
    assert outcome(decider, picture("hate.symbol")) == "ALLOW"
    assert outcome(decider, item()) == "ALLOW"


@pytest.mark.parametrize("match", [{"negative": True}, {"cancelled": True}])
def test_a_match_that_does_not_count_does_not_fire(match: dict[str, bool]) -> None:
    decider = policy(when='match["violence.graphic"]', category="violence.graphic")
    assert outcome(decider, picture("violence.graphic", **match)) == "ALLOW"


def test_a_category_that_no_bank_can_have_is_named() -> None:
    with pytest.raises(BadPolicy, match=r"match has no 'violence\.threat'"):
        policy(when='match["violence.threat"]')


def test_rules_can_tell_pictures_from_lines() -> None:
    decider = policy(when='kind == "image"')
    assert (outcome(decider, picture()), outcome(decider, item())) == ("DROP", "ALLOW")


def test_what_would_be_masked_in_a_line_is_held_in_a_picture() -> None:
    decider = policy(when="user.messages_10s >= 1.0", effects=[{"kind": "MASK"}])
    line, image = item(), picture()
    for one in (line, image):
        one.features["user.messages_10s"] = 1.0
    assert (outcome(decider, image), outcome(decider, line)) == ("HOLD", "MASK")


def test_without_its_model_a_picture_meets_what_the_policy_says() -> None:
    without = picture()
    without.signals.degraded.append("image_model")
    verdict = policy().decide(without)
    assert (outcome(policy(), without), list(verdict.degraded)) == ("HOLD", ["image_model:hold"])


def test_the_default_policy_drops_a_known_picture_and_says_who_shall_look() -> None:
    verdict = load(DEFAULT).decide(picture("child_safety.csam"))
    assert verdict.outcome == verdict_pb2.OUTCOME_DROP
    assert (verdict.queue, verdict.severity) == ("child_safety_review", 4)
