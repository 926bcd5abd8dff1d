"""A detector's file: what it may say, and that a mistake is named with file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.detection.detectors.loading import BadDetector, load
from services.detection.detectors.port import Kind
from services.detection.detectors.registry import DETECTORS
from services.detection.settings import DetectionSettings

ADDRESSES = "name: addresses\nuses: phone_number_or_address_shared\n"
HTTP = "enabled: true\nname: theirs\nuses: http_endpoint_answers\ncategories: [hate.slur]\n"
MODEL = "name: model\nuses: language_model_reads_policy\ncategories: [hate.slur]\n"
GRPC = "name: theirs\nuses: grpc_endpoint_answers\ncategories: [hate.slur]\n"
TRITON = "name: own\nuses: triton_model_scores\ncategories: [hate.slur]\n"


def test_a_file_is_off_unless_it_says_otherwise_and_needs_two_lines(tmp_path: Path) -> None:
    (tmp_path / "addresses.yaml").write_text(ADDRESSES)
    (one,) = load(DETECTORS, tmp_path)
    assert not one.document.enabled
    assert one.kinds == {Kind.TEXT}
    assert one.categories == ("privacy.doxxing", "privacy.personal_data")


def test_files_are_found_at_any_depth_and_stand_by_name(tmp_path: Path) -> None:
    (tmp_path / "arena").mkdir()
    (tmp_path / "z.yaml").write_text(ADDRESSES)
    (tmp_path / "arena" / "a.yaml").write_text(ADDRESSES.replace("addresses", "aaa"))
    assert [one.document.name for one in load(DETECTORS, tmp_path)] == ["aaa", "addresses"]


def test_the_version_is_that_of_all_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "policy.md").write_text("Be kind.")
    file = tmp_path / "model.yaml"
    file.write_text(MODEL + "settings: {url: 'http://127.0.0.1/v1', model: m, policy_file: policy.md}")
    versions = [load(DETECTORS, tmp_path)[0].version]
    assert versions[0].startswith("1+")
    (tmp_path / "policy.md").write_text("Be kinder.")
    versions.append(load(DETECTORS, tmp_path)[0].version)
    file.write_text(file.read_text() + "\nrequired: true")
    versions.append(load(DETECTORS, tmp_path)[0].version)
    assert len(set(versions)) == 3


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("[", "while parsing"),
        ("name: x", "uses: Field required"),
        ("", "the file: Input should be a valid dictionary"),
        (ADDRESSES + "on: true", "what switches a detector on is `enabled`"),
        (ADDRESSES + "colour: red", "colour: Extra inputs are not permitted"),
        (ADDRESSES.replace("addresses", "My Detector"), "name: String should match"),
        (
            ADDRESSES.replace("phone_number", "fax_number"),
            "uses: there is no detector 'fax_number.*; there are grpc_end",
        ),
        (ADDRESSES + "kinds: [image]", "kinds: phone_number_or_address_shared looks at text only"),
        (ADDRESSES + "kinds: [smell]", "kinds.0: Input should be 'text', 'image' or 'audio'"),
        (ADDRESSES + "categories: [hate]", "categories: phone_.* scores privacy.doxxing, privacy.personal_data only"),
        (ADDRESSES + "categories: [privacy.pii]", "'privacy.pii' is no category of the taxonomy"),
        (ADDRESSES + "categories: [privacy.doxxing, privacy.doxxing]", "has one twice"),
        (ADDRESSES + "ask: uncertain", "`ask: uncertain` and `between` belong together"),
        (ADDRESSES + "between: {hate: {from: 0.1, to: 0.9}}", "belong together"),
        (ADDRESSES + "ask: uncertain\nbetween: {hate: {from: 0.9, to: 0.1}}", r"between.hate: .*must be below `to`"),
        (ADDRESSES + "ask: uncertain\nbetween: {rage: {from: 0.1, to: 0.9}}", "'rage' is no category"),
        (ADDRESSES + "deadline_ms: 0", "deadline_ms: .*greater than or equal to 1"),
        (ADDRESSES + "deadline_ms: 60000", "deadline_ms: .*less than or equal to 30000"),
        (ADDRESSES + "budget: {micros_a_day: 5}", "a bound needs `cost_micros`"),
        (ADDRESSES + "budget: {tenants: {a: -1}, cost_micros: 1}", "a bound is 0 or more"),
        (ADDRESSES + "breaker: {failures: 11}", "can never be reached"),
        (ADDRESSES + "settings: {speed: 3}", "speed: Extra inputs"),
        (HTTP.replace("categories: [hate.slur]\n", ""), "categories: .* name at least one"),
        (HTTP, "url: Field required"),
        (HTTP + "settings: {url: 'http://models.example/'}", "url: .*models.example is not this machine: use https"),
        (HTTP + "settings: {url: 'http://127.0.0.1.evil.example/'}", "not this machine"),
        (HTTP + "settings: {url: 'ftp://127.0.0.1/'}", "begins with https"),
        (HTTP + "settings: {url: 'https://me:pw@models.example/'}", "holds no user and no password"),
        (HTTP + "settings: {url: 'https://models.example/#x'}", "no #fragment"),
        (HTTP + "settings: {url: 'https://models.example/a b'}", "printable ASCII"),
        (HTTP + "settings: {url: 'https://x/', secret_file: none}", "none: the secret cannot be read"),
        (HTTP + "settings: {url: 'https://x/', secret_file: empty}", "empty: the secret is empty"),
        (GRPC + "settings: {address: 'models.example:50051', tls: false}", "not this machine: it needs TLS"),
        (GRPC + "settings: {address: 'unix:/tmp/x'}", "host:port; no scheme"),
        (GRPC + "settings: {address: 'dns:///models.example:1'}", "host:port; no scheme"),
        (GRPC + "settings: {address: 'models.example:1', key_file: empty}", "belong together"),
        (MODEL + "settings: {url: 'https://x/', model: m}", "policy_file: Field required"),
        (MODEL + "settings: {url: 'https://x/', model: m, policy_file: none.md}", r"none\.md"),
        (
            MODEL + "settings: {url: 'https://x/', model: m, policy_file: empty}\nmax_list: 2",
            "takes one content a call",
        ),
        (TRITON + "settings: {model: m}", "columns: Field required"),
        (TRITON + "settings: {model: m, columns: [x], input_as: tokens}", "belong together"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "wrong.yaml").write_text(file)
    with pytest.raises(BadDetector, match=rf"wrong\.yaml: (.|\n)*({said})"):
        load(DETECTORS, tmp_path)


def test_what_was_pasted_into_the_wrong_field_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(HTTP + "settings: {url: 'https://x/', secret: hunter2}")
    with pytest.raises(BadDetector) as raised:
        load(DETECTORS, tmp_path)
    assert "hunter2" not in str(raised.value)


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(ADDRESSES)
    with pytest.raises(BadDetector, match=r"b\.yaml: name: .*a\.yaml has the name 'addresses' already"):
        load(DETECTORS, tmp_path)


def test_every_detector_goes_by_the_name_of_its_module_and_says_what_it_is() -> None:
    for name, detector in DETECTORS.items():
        assert detector.card.name == name
        assert detector.open.__module__.endswith(f".{name}")
        assert detector.card.summary
        assert detector.card.kinds


def test_the_files_that_come_with_it_hold_and_are_off() -> None:
    shipped = load(DETECTORS, DetectionSettings().detectors)
    assert shipped, "there is at least one to copy"
    assert not [one.document.name for one in shipped if one.document.enabled]
