"""From rows to the document: which limits it has a say on, and what it keeps of what it stands on."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.routing.calibration.finding import Change
from services.routing.calibration.making import Row, Wishes, judge
from services.routing.document import PolicyDocument
from services.routing.loading import load
from tests.support.calibrations import calibration
from tests.unit.routing.test_policy import DEFAULT, policy

DEFAULT_POLICY = load(DEFAULT).document


def judged(rows: list[Row], wishes: Wishes, document: PolicyDocument = DEFAULT_POLICY) -> dict[str, tuple[str, float]]:
    return {
        limit: (one.finding.change, round(one.finding.value, 3))
        for limit, one in judge(document, "chat", rows, wishes).items()
    }


def test_each_limit_is_judged_by_the_labels_of_its_own_category() -> None:
    rows = [Row({"violence.threat": 0}, {"violence.threat": 0.7, "hate": 0.1}) for _ in range(300)]
    found = judged(rows, Wishes(0.01))
    assert found["threat"] == (Change.RAISED, 0.7)
    assert found["hate"] == (Change.TOO_FEW, 0.6)
    assert "sexual_image" not in found


def test_a_sure_limit_is_not_lowered_unless_it_has_a_target_of_its_own() -> None:
    rows = [Row({"violence.threat": 0}, {"violence.threat": 0.2}) for _ in range(300)]
    rows += [Row({"violence.threat": 1}, {"violence.threat": 0.4}) for _ in range(10)]
    assert judged(rows, Wishes(0.01))["threat_sure"] == (Change.KEPT, 0.92)
    assert judged(rows, Wishes(0.01, {"threat_sure": 0.01}))["threat_sure"] == (Change.LOWERED, 0.2)
    assert judged(rows, Wishes(0.01, only_raise=True))["threat"] == (Change.KEPT, 0.5)


def test_a_sure_limit_goes_up_with_the_less_sure_one_though_its_own_target_could_not_be_shown() -> None:
    rows = [Row({"hate": 0}, {"hate": 0.97}) for _ in range(300)]
    found = judged(rows, Wishes(0.01, {"hate_sure": 0.0001}))
    assert found["hate"] == (Change.RAISED, 0.97)
    assert found["hate_sure"] == (Change.TOO_FEW, 0.97)


def test_a_category_that_was_not_judged_does_not_count_as_benign() -> None:
    rows = [Row({"toxicity": 0}, {"hate": 0.9}) for _ in range(300)]
    assert judged(rows, Wishes(0.01))["hate"] == (Change.TOO_FEW, 0.6)


def test_the_document_keeps_counts_and_the_reference() -> None:
    made = calibration(policy().document, positives=[0.99] * 3)
    limit = made.limits["hate"]
    # Of 300 at 5 % eight may be caught, and the six that stood above stay above.
    assert (limit.benign, limit.caught, limit.positives, limit.found) == (300, 6, 3, 3)
    assert (limit.own, limit.value) == (0.7, 0.7)
    assert limit.bound <= limit.target
    assert made.reference.count == sum(made.reference.steps["hate"]) == 303
    assert made.reference.crossed == {"hate": pytest.approx(9 / 303, abs=1e-6)}


def test_a_document_without_a_limit_is_none() -> None:
    with pytest.raises(ValidationError, match="limits"):
        calibration(policy().document, benign=[0.1])


def test_the_hash_hangs_on_what_is_said_and_on_nothing_else() -> None:
    first, second = calibration(policy().document), calibration(policy().document)
    assert first.reference_name == second.reference_name == f"demo/production/chat@{first.content_hash}"
    assert calibration(policy().document, target=0.06).content_hash != first.content_hash
