"""Hash banks: what may stand in them, whose they are, when they count, and that they are read again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from moat.detection.v1 import signals_pb2

from services.detection.images.banks.banks import Asker, Banks
from services.detection.images.banks.entries import BadBank, Entry, read_csv, read_json, write_csv, write_json
from services.detection.images.banks.folder import Bank, BankFiles, banks_in
from services.detection.images.banks.live import live_banks
from services.detection.images.pdq import Pdq

HASH = bytes.fromhex("8f00e4434ed70fc45039f039b32c53bc70ffd636b1739315e4338f5c924c8f3a")
NOW = 1_800_000_000.0
GRAPHIC = "violence.graphic"
ENTRIES = [
    Entry("a", HASH, GRAPHIC, None, negative=False),
    Entry("b", bytes(32), "", NOW, negative=True),
]


def near(bits: int) -> bytes:
    return (int.from_bytes(HASH) ^ ((1 << bits) - 1)).to_bytes(32)


def entry(name: str = "e", bits: int = 0, category: str = GRAPHIC, **more: object) -> Entry:
    fields = {"expires": None, "negative": False, **more}
    return Entry(name, near(bits), category, **fields)  # type: ignore[arg-type]


def found(folder: Path, *, quality: int = 100, tenant: str = "demo", item: str = "r1") -> list[signals_pb2.HashMatch]:
    return Banks.load([folder]).matches(Pdq(HASH, quality), Asker(tenant, "production", item), now=NOW)


def write(folder: Path, name: str, *entries: Entry, **about: object) -> None:
    BankFiles(folder, name).write(Bank(**about), entries)  # type: ignore[arg-type]


def rows(text: str) -> list[Entry]:
    return list(read_csv(text.splitlines(keepends=True), "list.csv"))


@pytest.mark.parametrize(("write_", "read"), [(write_csv, rows), (write_json, lambda text: read_json(text, "x"))])
def test_what_is_written_is_read_again(write_: object, read: object) -> None:
    assert list(read(write_(ENTRIES))) == ENTRIES  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"a b,{HASH.hex()},{GRAPHIC}", "id 'a b'"),
        (f",{HASH.hex()},{GRAPHIC}", "id ''"),
        (f"x,{HASH.hex()[:-1]},{GRAPHIC}", "64 hexadecimal digits"),
        (f"x,{HASH.hex()[:-1]}g,{GRAPHIC}", "64 hexadecimal digits"),
        (f"x,{HASH.hex()},nonsense", "category 'nonsense'"),
        (f"x,{HASH.hex()},", "category ''"),
        (f"x,{HASH.hex()},{GRAPHIC},soon", "expires 'soon'"),
        (f"x,{HASH.hex()},{GRAPHIC},,maybe", "negative 'maybe'"),
        (f"x,{HASH.hex()},{GRAPHIC},,,more", "more cells"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: str, said: str) -> None:
    good = f"good,{HASH.hex()},{GRAPHIC}"
    with pytest.raises(BadBank) as caught:
        rows(f"id,pdq,category,expires,negative\n{good}\n{line}\n{good}2\n")
    assert "list.csv:3: " in str(caught.value)
    assert said in str(caught.value)


def test_all_bad_lines_are_named_at_once_but_not_thousands() -> None:
    with pytest.raises(BadBank) as caught:
        rows("id,pdq,category\n" + "x,y,z\n" * 50)
    said = str(caught.value).splitlines()
    assert said[0].startswith("list.csv:2:")
    assert (len(said), said[-1]) == (21, "list.csv: 30 more lines are wrong")


@pytest.mark.parametrize("header", ["", "id,category", "id,pdq,colour"])
def test_a_bad_header_is_named(header: str) -> None:
    with pytest.raises(BadBank, match=r"list\.csv:1: the header must have id and pdq"):
        rows(f"{header}\n")


def test_a_bank_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(b"id,pdq,category\n\xff\xfe")
    with pytest.raises(BadBank, match=r"one\.csv"):
        Banks.load([tmp_path])


@pytest.mark.parametrize("text", ["{", "7", '{"entries": 1}', "[1]"])
def test_json_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BadBank, match=r"list\.json"):
        read_json(text, "list.json")


def test_a_bad_json_entry_is_named_by_its_number() -> None:
    rows = [{"id": "a", "pdq": HASH.hex(), "category": GRAPHIC}, {"id": "b", "pdq": "00", "category": GRAPHIC}]
    with pytest.raises(BadBank, match=r"list\.json:2: pdq '00'"):
        list(read_json(json.dumps(rows), "list.json"))


def test_entries_in_reach_match_nearest_first(tmp_path: Path) -> None:
    write(tmp_path, "one", entry("far", 31), entry("near", 3), entry("out", 32))
    assert [(match.entry_id, match.distance) for match in found(tmp_path)] == [("near", 3), ("far", 31)]


def test_a_bank_may_ask_for_more_likeness(tmp_path: Path) -> None:
    write(tmp_path, "one", entry("far", 11), entry("near", 10), distance=10)
    assert [match.entry_id for match in found(tmp_path)] == ["near"]


def test_a_picture_of_poor_quality_matches_nothing(tmp_path: Path) -> None:
    write(tmp_path, "one", entry())
    assert found(tmp_path, quality=50)
    assert not found(tmp_path, quality=49)


def test_what_has_expired_does_not_match(tmp_path: Path) -> None:
    write(tmp_path, "one", entry("old", expires=NOW), entry("new", expires=NOW + 1))
    assert [match.entry_id for match in found(tmp_path)] == ["new"]


def test_a_tenants_bank_is_its_own(tmp_path: Path) -> None:
    write(tmp_path, "ours", entry("ours"), tenant="demo")
    write(tmp_path, "shared", entry("shared"))
    assert {match.entry_id for match in found(tmp_path)} == {"ours", "shared"}
    assert {match.entry_id for match in found(tmp_path, tenant="arena")} == {"shared"}


def test_a_bank_that_is_off_matches_nothing(tmp_path: Path) -> None:
    write(tmp_path, "one", entry(), on=False)
    assert not found(tmp_path)


def test_a_share_of_items_is_chosen_by_their_ids_and_the_seed(tmp_path: Path) -> None:
    def chosen(**about: object) -> set[str]:
        write(tmp_path, "one", entry(), **about)
        banks = Banks.load([tmp_path])
        items = [f"r{number}" for number in range(2000)]
        asked = {item: Asker("demo", "production", item) for item in items}
        return {item for item in items if banks.matches(Pdq(HASH, 100), asked[item], now=NOW)}

    quarter = chosen(percent=25)
    assert 400 < len(quarter) < 600
    assert chosen(percent=25) == quarter, "the same items, whenever they are asked about"
    assert quarter < chosen(percent=50), "who was in stays in when the share grows"
    assert chosen(percent=25, seed="other") != quarter
    assert chosen(percent=0) == set()
    assert len(chosen(percent=100)) == 2000


@pytest.mark.parametrize(
    ("against", "cancelled"), [("", ["a", "b"]), (GRAPHIC, ["a"]), ("hate.symbol", ["b"]), ("sexual.nudity", [])]
)
def test_a_negative_entry_cancels_its_category_or_all(tmp_path: Path, against: str, cancelled: list[str]) -> None:
    write(tmp_path, "bad", entry("a"), entry("b", category="hate.symbol"))
    write(tmp_path, "fine", entry("no", 12, against, negative=True))
    matches = found(tmp_path)
    assert [match.entry_id for match in matches if match.cancelled] == cancelled
    assert [match.entry_id for match in matches if match.negative] == ["no"]


def test_a_negative_bank_is_one_of_negative_entries(tmp_path: Path) -> None:
    write(tmp_path, "bad", entry("a"))
    write(tmp_path, "fine", entry("no", 5), negative=True)
    assert [(match.entry_id, match.negative, match.cancelled) for match in found(tmp_path)] == [
        ("a", False, True),
        ("no", True, False),
    ]


def test_of_very_many_matches_the_nearest_are_kept_and_one_of_each_category(tmp_path: Path) -> None:
    many = [entry(f"e{number}", number // 4) for number in range(100)]
    write(tmp_path, "one", *many, entry("other", 31, "hate.symbol"))
    matches = found(tmp_path)
    assert len(matches) == 16
    assert matches[-1].entry_id == "other"
    assert {match.entry_id for match in matches[:-1]} <= {f"e{number}" for number in range(16)}


def test_two_banks_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder, "one", entry())
    with pytest.raises(BadBank, match="rename one"):
        Banks.load([tmp_path / "a", tmp_path / "b"])


def test_a_mistake_in_what_is_said_about_a_bank_is_named(tmp_path: Path) -> None:
    write(tmp_path, "one", entry())
    (tmp_path / "one.yaml").write_text("percentage: 50\n")
    with pytest.raises(BadBank, match=r"one\.yaml.*\n.*percentage"):
        Banks.load([tmp_path])


@pytest.mark.parametrize("written", ["on: false", '"on": false', "on: no", "on: off"])
def test_a_bank_is_off_however_a_hand_has_written_that(tmp_path: Path, written: str) -> None:
    (tmp_path / "one.csv").write_text("id,pdq,category\n")
    (tmp_path / "one.yaml").write_text(f"{written}\npercent: 50\n")
    (bank,) = banks_in([tmp_path])
    assert (bank.about().on, bank.about().percent) == (False, 50)


def test_the_version_is_of_the_content(tmp_path: Path) -> None:
    write(tmp_path, "one", entry())
    version = Banks.load([tmp_path]).version
    write(tmp_path, "one", entry())
    assert Banks.load([tmp_path]).version == version
    write(tmp_path, "one", entry(), percent=50)
    assert Banks.load([tmp_path]).version != version


async def test_banks_are_read_again_when_they_change_and_bad_ones_leave_the_last_good(tmp_path: Path) -> None:
    live = live_banks([tmp_path, tmp_path / "not there"])
    assert len(live.current) == 0
    write(tmp_path, "one", entry())
    await live.look()
    assert len(live.current) == 1
    good = live.current
    await live.look()
    assert live.current is good, "what has not changed is not read"
    (tmp_path / "one.csv").write_text("nonsense")
    await live.look()
    assert live.current is good
    write(tmp_path, "one", entry("a"), entry("b"))
    os.utime(tmp_path / "one.csv", ns=(1, 1))
    await live.look()
    assert len(live.current) == 2
