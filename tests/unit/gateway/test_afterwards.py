"""What counts against an author, and what does not."""

from __future__ import annotations

import pytest
from moat.routing.v1 import verdict_pb2

from gateway.afterwards import is_violation

DROP, ALLOW, HOLD = verdict_pb2.OUTCOME_DROP, verdict_pb2.OUTCOME_ALLOW, verdict_pb2.OUTCOME_HOLD


@pytest.mark.parametrize(
    ("outcome", "categories", "expected"),
    [
        (DROP, ["hate"], True),
        (DROP, ["platform.other", "harassment.insult"], True),
        (DROP, ["platform.other"], False),
        (HOLD, [], False),
        (ALLOW, ["self_harm"], False),
        (ALLOW, [], False),
    ],
    ids=["a harm", "a harm of a muted user", "muted already", "detection was away", "a cry for help", "nothing"],
)
def test_only_a_harm_that_was_found_counts(
    outcome: verdict_pb2.Outcome.ValueType, categories: list[str], *, expected: bool
) -> None:
    verdict = verdict_pb2.Verdict(outcome=outcome)
    for number, category in enumerate(categories):
        verdict.rules.add(rule_id=f"r{number}", category=category)
    assert is_violation(verdict) is expected
