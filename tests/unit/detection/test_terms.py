"""Term lists: whole words, patterns that cannot run away, tenants of their own, what is allowed, and when."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest
import yaml

from services.detection.normalise import normalise
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms

DAY = datetime.date(2026, 12, 24)

SHARED = """
id: shared
version: "1"
entries:
  - {id: darn, category: platform.profanity, terms: [darn, "frick*"]}
  - {id: gold, category: integrity.spam, patterns: ['(?:cheap|free)\\s+gold', '\\bgold\\d{2,}\\b']}
  - {id: santa, category: platform.other, terms: [santa], starts: 2026-12-24, ends: 2026-12-27}
  - {id: baka, category: harassment.insult, terms: [馬鹿, バカ]}
"""
ARENA = """
id: arena
version: "1"
tenant: arena
entries:
  - {id: rival, category: harassment.insult, terms: [rivalsuck]}
allow: [darnley castle, fricking]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared.yaml").write_text(SHARED)
    (tmp_path / "arena").mkdir()
    (tmp_path / "arena" / "own.yaml").write_text(ARENA)
    return tmp_path


def found(folder: Path, text: str, tenant: str = "demo", day: datetime.date = DAY) -> list[tuple[str, str]]:
    """Entry and what of the normalised text it was found in."""
    normalised = normalise(text).text
    hits = Terms.load(folder, day=lambda: day).find(normalised, tenant)
    return [(hit.entry_id, normalised[hit.start : hit.end]) for hit in hits]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("Darn it", [("darn", "darn")]),
        ("d a r n it", [("darn", "darn")]),
        ("darned socks", []),
        ("that is fr1ckin cold", [("darn", "frickin")]),
        ("unfrickable", []),
        ("FREE   gold and gold77 here", [("gold", "free   gold"), ("gold", "gold77")]),
        ("marigold7", []),
        ("この馬鹿野郎", [("baka", "馬鹿")]),
        ("", []),
    ],
)
def test_whole_words_and_patterns_are_found_in_disguise_too(folder: Path, text: str, hits: list[object]) -> None:
    assert found(folder, text) == hits


def test_an_entry_counts_from_its_first_day_until_its_last(folder: Path) -> None:
    days = [datetime.date(2026, 12, day) for day in (23, 24, 26, 27)]
    assert [bool(found(folder, "santa", day=day)) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("entries", "content", "hits"),
    [
        ("- {id: a, category: c, terms: [darn]}\n- {id: b, category: c, terms: [darn]}", "darn", {"a", "b"}),
        (
            "- {id: a, category: c, terms: [darn], ends: 2020-01-01}\n- {id: b, category: c, terms: [darn]}",
            "darn",
            {"b"},
        ),
        ("- {id: a, category: c, terms: ['darn*']}\n- {id: b, category: c, terms: [darn]}", "darned", {"a"}),
        ("- {id: a, category: c, terms: [free gold]}\n- {id: b, category: c, terms: [free]}", "free golden", {"b"}),
        ("- {id: a, category: c, terms: [free gold]}\n- {id: b, category: c, terms: [free]}", "free gold", {"a", "b"}),
        ("- {id: a, category: c, terms: [x y], ends: 2020-01-01}\n- {id: b, category: c, terms: [y]}", "x y", {"b"}),
    ],
)
def test_no_entry_hides_another(tmp_path: Path, entries: str, content: str, hits: set[str]) -> None:
    (tmp_path / "own.yaml").write_text(f"id: own\nversion: '1'\nentries:\n{entries}")
    assert {entry for entry, _ in found(tmp_path, content)} == hits


def test_what_counts_no_more_takes_nobodys_place(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "id: own\nversion: '1'\nentries:\n- {id: old, category: c, terms: [gg], patterns: [gg], ends: 2020-01-01}\n"
        "- {id: new, category: c, terms: [darn]}"
    )
    assert found(tmp_path, "gg " * 500 + "darn") == [("new", "darn")]


def test_a_tenant_has_its_own_terms_and_allows_what_everybodys_find(folder: Path) -> None:
    assert found(folder, "rivalsuck") == []
    assert found(folder, "rivalsuck", "arena") == [("rival", "rivalsuck")]
    assert found(folder, "fricking") == [("darn", "fricking")]
    assert found(folder, "fricking", "arena") == []
    assert found(folder, "fricking darn", "arena") == [("darn", "darn")], "only what is inside"


def test_no_pattern_takes_more_time_than_its_text_is_long(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "id: bad\nversion: '1'\nentries: [{id: bomb, category: x, patterns: ['(a+)+$', '(.*a){12}b']}]"
    )
    terms = Terms.load(tmp_path)
    text = "a" * 10_000 + "!"
    began = time.process_time()
    terms.find(text)
    # A backtracking engine would not be back before the sun is out.
    assert time.process_time() - began < 5


def test_a_text_of_nothing_but_terms_has_a_bounded_number_of_hits(folder: Path) -> None:
    assert len(found(folder, "darn " * 2000)) == 64


@pytest.mark.parametrize(
    ("variants", "term", "text", "hit"),
    [
        ("leet", "lagger", "what a 1a99er", "1a99er"),
        ("leet", "ass", "you a55", "a55"),
        ("leet", "ass", "a55et", ""),
        ("leet", "ass", "level 455", "455"),
        ("masked", "darn", "d*rn it", "d*rn"),
        ("masked", "darn", "d**n it", "d**n"),
        ("masked", "darn", "D#&@ it", ""),
        ("masked", "darn", "darn it", "darn"),
        ("masked", "darn", "dawn, dirn", ""),
        ("masked", "cat", "c*t", ""),
        ("endings", "darn", "darned darning darns darner", "darned|darning|darns|darner"),
        ("endings", "grab", "grabbed grabbing", "grabbed|grabbing"),
        ("endings", "blame", "blamed blaming blamers blame blam", "blamed|blaming|blamers|blame"),
        ("endings", "darn", "darnley undarned", ""),
        ("joined", "free gold", "freegold free-gold FREE  GOLD free.gold", "freegold|free-gold|free  gold|free.gold"),
        ("joined", "free gold", "free silver gold", ""),
        ("joined", "馬 鹿", "この馬鹿", "馬鹿"),
        ("masked, endings, leet, joined", "free gold", "fr33 g*lds, f**egold", "fr33 g*lds|f**egold"),
        ("endings", "darn*", "darnation", "darnation"),
        ("leet", "fraß", "fraß fraße", "frass"),
    ],
)
def test_a_term_is_found_in_the_variants_that_its_entry_asks_for(
    tmp_path: Path, variants: str, term: str, text: str, hit: str
) -> None:
    entry = f"{{id: e, category: c, terms: ['{term}'], variants: [{variants}]}}"
    (tmp_path / "own.yaml").write_text(f"id: own\nversion: '1'\nentries: [{entry}]")
    assert "|".join(text for _, text in found(tmp_path, text)) == hit


def test_terms_without_variants_are_found_as_they_are_beside_those_with(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "id: own\nversion: '1'\nentries:\n- {id: plain, category: c, terms: [darn]}\n"
        "- {id: varied, category: c, terms: [frick], variants: [endings]}"
    )
    assert found(tmp_path, "darned darn fricking") == [("plain", "darn"), ("varied", "fricking")]


def test_more_than_can_be_matched_in_bounded_memory_is_refused(tmp_path: Path) -> None:
    entries = [{"id": "e", "category": "c", "patterns": [rf"x{number}\pL{{100}}" for number in range(30)]}]
    (tmp_path / "huge.yaml").write_text(yaml.safe_dump({"id": "huge", "version": "1", "entries": entries}))
    with pytest.raises(ValueError, match=r"huge\.yaml: all 30 patterns and variants together are too large"):
        Terms.load(tmp_path)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("entries: [{id: e, category: c, patterns: ['(']}]", r"bad.yaml: entry e: pattern '\(': missing \)"),
        ("entries: [{id: e, category: c, patterns: ['(?=a)']}]", r"bad.yaml: entry e: .*invalid perl operator"),
        ("entries: [{id: e, category: c}]", "bad.yaml: (.|\n)*entry e: needs terms or patterns"),
        ("entries: [{id: e, category: c, terms: [x], starts: 2026-02-02, ends: 2026-02-01}]", "before it starts"),
        ("entries: [{id: e, category: c, term: [x]}]", "bad.yaml: (.|\n)*term\n *Extra inputs"),
        ("entries: [", "bad.yaml: "),
        ("entries: [{id: e, category: c, terms: [x], variants: [french]}]", "Input should be 'leet', 'masked'"),
        ("entries: [{id: e, category: c, patterns: [x], variants: [leet]}]", "`variants` are of terms"),
        ("entries: [{id: e, category: c, terms: ['\u200b']}]", "entry e: term .* is nothing that could be found"),
        ("entries: [{id: e, category: c, terms: ['*']}]", "entry e: term .* is nothing that could be found"),
        ("allow: ['\u200b']", "allow: term .* is nothing that could be found"),
        (f"entries: [{{id: e, category: c, patterns: ['{'x' * 513}']}}]", "at most 512 characters"),
        (f"entries: [{{id: e, category: c, terms: ['{'x' * 129}']}}]", "at most 128 characters"),
        (
            r"entries: [{id: e, category: c, patterns: ['((((\\pL{1,100}){1,10}){1,10}){1,10})']}]",
            "entry e: .*(too large|bad rep|invalid rep)",
        ),
    ],
)
def test_a_mistake_in_a_list_is_named_with_its_file(tmp_path: Path, mistake: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(f"id: bad\nversion: '1'\n{mistake}\n")
    with pytest.raises(ValueError, match=said):
        Terms.load(tmp_path)


def test_the_version_stands_for_the_content_of_all_lists(folder: Path) -> None:
    before = Terms.load(folder).version
    assert Terms.load(folder).version == before
    (folder / "arena" / "own.yaml").write_text(ARENA.replace("rivalsuck", "rivalstink"))
    assert Terms.load(folder).version != before


def test_what_may_be_found_from_another_day_on_has_another_version(folder: Path) -> None:
    day = DAY
    terms = Terms.load(folder, day=lambda: day)
    before = terms.version_now
    day += datetime.timedelta(days=1)
    assert terms.version_now != before
    assert terms.version in before


def test_the_lists_that_come_with_it_can_be_used() -> None:
    terms = Terms.load(DetectionSettings().lists)
    assert [hit.category for hit in terms.find("what the fuck")] == ["platform.profanity"]
