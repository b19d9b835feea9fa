"""The criteria are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.verdict import criteria_file
from kpfnb.kpf.verdict.rules import RuleMeasure, VerdictLevel

KINDS = "kinds:\n  bias: {IMTYPE: Bias}\nrules:\n"
COMMON = "level: masters, title: T, reason: R, source: S, warn: [1, null], fail: [null, null]"


def test_the_packaged_criteria_are_valid() -> None:
    criteria = criteria_file.load_criteria()
    assert {rule.level for rule in criteria.rules} == set(VerdictLevel)
    assert {rule.measure for rule in criteria.rules} == set(RuleMeasure)
    [scatter] = [rule for rule in criteria.rules if rule.name == "wavelength-scatter-green"]
    assert (len(scatter.names), scatter.names[-1]) == (35, "STDWGS34")
    assert criteria.frame_kinds({"IMTYPE": "Arclamp", "OBJECT": "autocal-lfc-all-eve"}) == ("lfc",)
    assert criteria.frame_kinds({"IMTYPE": "Object", "SCI-OBJ": "SoCal-SciSky"}) == ("sun",)
    assert criteria.frame_kinds({}) == ()
    for imtype in ("Flatlamp", "Flat"):
        assert criteria.frame_kinds({"IMTYPE": imtype, "OBJECT": "autocal-flat-all"}) == ("flat",)


def test_every_limit_has_a_source_and_every_keyword_is_known() -> None:
    criteria = criteria_file.load_criteria()
    assert all(rule.limits_source for rule in criteria.rules)
    assert list(criteria_file.find_keyword_mistakes(criteria)) == []


def test_mistakes_in_keywords_are_named(tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    rules = (
        f"- {{name: a, {COMMON}, keyword: CCFRV, from: L1, of: bias}}\n"
        f"- {{name: b, {COMMON}, telemetry: kpfgreen.STA_CCD_TT, of: bias}}\n"
    )
    file.write_text("kinds: {bias: {IMTYP: Bias}}\nrules:\n" + rules)
    criteria = criteria_file.load_criteria(file)
    assert list(criteria_file.find_keyword_mistakes(criteria)) == [
        "kinds: IMTYP: no known keyword of KPF; did you mean IMTYPE?",
        "rule a: CCFRV: not in L1 files",
        "rule b: kpfgreen.STA_CCD_TT: no known keyword of KPF; did you mean kpfgreen.STA_CCD_T?",
    ]
    assert criteria.rules[0].keywords_since() == {"CCFRV": "not in L1 files"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (f"- {{name: a, {COMMON}, count: flat}}", "line 4: rules.0: no kind 'flat'"),
        (
            f"- {{name: a, {COMMON}, count: bias, colour: red}}",
            "line 4: rules.0.colour: unknown key 'colour'",
        ),
        (f"- {{name: a, {COMMON}, count: bias, of: bias}}", "of can't be combined with count"),
        (
            f"- {{name: a, {COMMON}, count: bias, nights: 0}}",
            "rules.0.nights: Input should be greater",
        ),
        (
            f"- {{name: a, {COMMON}, count: bias, nights: true}}",
            "rules.0.nights: Input should be a valid int",
        ),
        (
            f"- {{name: a, {COMMON}, count: bias, none: MAYBE}}",
            "rules.0.none: Input should be 'PASS'",
        ),
        (f"- {{name: a, {COMMON}}}", "one of count, keyword"),
        (f"- {{name: a, {COMMON}, count: bias, masters: bias}}", "not 2 of them"),
        (f"- {{name: a, {COMMON}, masters: 'kpf_*.fits'}}", "no type of master 'kpf_*.fits'"),
        (f"- {{name: a, {COMMON}, telemetry: kpfgreen.STA_CCD_T}}", "telemetry requires of"),
        (f"- {{name: a, {COMMON}, valid: CCFRV, of: bias}}", "valid requires from"),
        (
            f"- {{name: a, {COMMON.replace('source: S, ', '')}, count: bias}}",
            "rules.0.source: Field required",
        ),
        (f"- {{name: a, {COMMON}, keyword: KEY}}", "keyword requires from"),
        (f"- {{name: a, {COMMON}, keyword: key, from: L1, of: bias}}", "'key' is not a keyword"),
        (f"- {{name: a, {COMMON}, keyword: 'K[5-2]', from: L1, of: bias}}", "is empty"),
        (
            f"- {{name: a, {COMMON}, keyword: K, from: L9, of: bias}}",
            "rules.0.from: 'L9' is not one of L0, 2D",
        ),
        (
            f"- {{name: a, {COMMON}, products: [L0], of: bias}}",
            "rules.0.products: 'L0' is not a product",
        ),
        (f"- {{name: A b, {COMMON}, count: bias}}", "rules.0.name: String should match"),
        ("- {name: a, level: masters, count: bias}", "rules.0.title: Field required"),
        (f"- {{name: a, name: b, {COMMON}, count: bias}}", "line 4: 'name' is repeated"),
        (
            f"- {{name: a, {COMMON}, count: bias}}\n- {{name: a, {COMMON}, count: bias}}",
            "line 5: rules.1: a second rule 'a'",
        ),
        (
            "- {name: a, level: x, title: T, reason: R, source: S, warn: [1, 2], fail: [1, 2],"
            " count: bias}",
            "rules.0.level: Input should be 'calibrations'",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, source: S, warn: [3, 2],"
            " fail: [1, 2], count: bias}",
            "rules.0.warn: 3 is above 2",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, source: S, warn: [1, 2],"
            " fail: [3, 4], count: bias}",
            "warn (1 to 2) allows values that fail (3 to 4) does not",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, source: S, warn: [.nan, null],"
            " fail: [null, null], count: bias}",
            "rules.0.warn.0",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, source: S, warn: 3, fail: [1, 2],"
            " count: bias}",
            "rules.0.warn: Input should be a valid tuple",
        ),
        ("- nothing", "rules.0: Input should be a valid dict"),
        ("- {", "line 5: did not find"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_position(rule: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    file.write_text(KINDS + rule + "\n")
    with pytest.raises(InvalidInputError) as raised:
        criteria_file.load_criteria(file)
    assert str(file) in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["", "rules: []", "kinds: {}\nrules: 3", "kinds: {a: {}}", "\x00"])
def test_an_invalid_criteria_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match="criteria"):
        criteria_file.load_criteria(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"none\.yml"):
        criteria_file.load_criteria(tmp_path / "none.yml")
