"""Files of labels: every mistake names its line, and what agrees is put together."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tools.cli.calibration.labels import DecisionLabel, TextLabel, read_labels
from tools.cli.failure import Failure

ID = "0197a3c4-6b1e-7f00-8000-000000000001"


def file(tmp_path: Path, *rows: Any) -> Path:  # noqa: ANN401 - whatever may stand in a file
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def text(number: int = 1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a label
    return {"id": number, "text": f"text {number}", "surface": "chat", "label": {"hate": 0}} | fields


def decision(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a label
    return {"decision_id": ID, "label": {"hate": 1}} | fields


def problem(tmp_path: Path, *rows: Any) -> str:  # noqa: ANN401 - as above
    with pytest.raises(Failure) as failure:
        read_labels(file(tmp_path, *rows), tenant="demo")
    return str(failure.value)


def test_both_kinds_are_read_with_their_lines_and_the_digest_of_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, text(), "", decision(part=2), decision(tenant="demo"))
    found = read_labels(path, tenant="demo")
    assert found.labels == [
        TextLabel(id=1, text="text 1", surface="chat", label={"hate": 0}),
        DecisionLabel(decision_id=ID, part=2, label={"hate": 1}),
        DecisionLabel(decision_id=ID, tenant="demo", label={"hate": 1}),
    ]
    assert (found.lines, found.repeated) == ([1, 3, 4], 0)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "is not JSON"),
        ("[1]", "either decision_id, or id, text and surface"),
        ({"label": {"hate": 0}}, "either decision_id, or id, text and surface"),
        (text(decision_id=ID), "either decision_id, or id, text and surface"),
        (text(label={"heit": 0}), "'heit' has no score; there are harassment.insult, hate,"),
        (text(label={}), "label"),
        (text(label={"hate": 2}), "label.hate: must be 0 or 1"),
        (text(label={"hate": True}), "label.hate: must be 0 or 1"),
        (text(label={"hate": "1"}), "label.hate: must be 0 or 1"),
        (text(text=""), "text"),
        (text(surface="my place"), "surface"),
        (text(lable={"hate": 0}), "lable"),
        (decision(decision_id="17"), "'17' is no decision's id"),
        (decision(part=-1), "part"),
        (decision(tenant="arena"), "is of tenant 'arena' and not of 'demo'"),
    ],
)
def test_a_line_that_cannot_be_is_named_with_what_is_wrong(tmp_path: Path, row: Any, said: str) -> None:  # noqa: ANN401
    assert said in problem(tmp_path, text(7), row)
    assert "labels.jsonl line 2" in problem(tmp_path, text(7), row)


def test_labels_that_agree_are_put_together_and_count_once(tmp_path: Path) -> None:
    other = ID.upper()
    found = read_labels(
        file(tmp_path, decision(), decision(decision_id=other, label={"toxicity": 0, "hate": 1})), tenant="demo"
    )
    assert [dict(one.label) for one in found.labels] == [{"hate": 1, "toxicity": 0}]
    assert found.repeated == 1


def test_labels_that_contradict_each_other_are_refused_with_both_lines(tmp_path: Path) -> None:
    said = problem(tmp_path, decision(), text(), decision(label={"hate": 0}))
    assert said.endswith("line 3: says 0 of hate, line 1 said 1")


def test_an_id_of_two_texts_is_refused(tmp_path: Path) -> None:
    assert "another text's in line 1" in problem(tmp_path, text(), text(text="other"))
    assert len(read_labels(file(tmp_path, text(), text() | {"id": "1"}), tenant="demo").labels) == 2


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    assert "has no labels" in problem(tmp_path, "")
