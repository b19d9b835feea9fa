"""The criteria are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.errors import BadSettings
from kpfnb.kpf.verdict import reading
from kpfnb.kpf.verdict.rules import Level, Measure

KINDS = "kinds:\n  bias: {IMTYPE: Bias}\nrules:\n"
COMMON = "level: masters, title: T, reason: R, warn: [1, null], fail: [null, null]"


def test_the_packages_own_are_whole() -> None:
    criteria = reading.load()
    assert {rule.level for rule in criteria.rules} == set(Level)
    assert {rule.measure for rule in criteria.rules} == set(Measure)
    assert len(criteria.rule("wavelength-scatter-green").names) == 35
    assert criteria.rule("wavelength-scatter-green").names[-1] == "STDWGS34"
    assert criteria.kinds_of({"IMTYPE": "Arclamp", "OBJECT": "autocal-lfc-all-eve"}) == ("lfc",)
    assert criteria.kinds_of({"IMTYPE": "Object", "SCI-OBJ": "SoCal-SciSky"}) == ("sun",)
    assert criteria.kinds_of({}) == ()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (f"- {{name: a, {COMMON}, count: flat}}", ":4: rule a: no kind 'flat'"),
        (f"- {{name: a, {COMMON}, count: bias, colour: red}}", "'colour' is not known"),
        (f"- {{name: a, {COMMON}, count: bias, of: bias}}", "'of' is not known"),
        (f"- {{name: a, {COMMON}, count: bias, nights: 0}}", "nights: 0 is not from 1 to"),
        (f"- {{name: a, {COMMON}, count: bias, nights: true}}", "nights: True"),
        (f"- {{name: a, {COMMON}, count: bias, none: MAYBE}}", "none: 'MAYBE' is not one of"),
        (f"- {{name: a, {COMMON}}}", "one of count, keyword"),
        (f"- {{name: a, {COMMON}, count: bias, masters: x}}", "not 2 of them"),
        (f"- {{name: a, {COMMON}, keyword: KEY}}", "from, of is not given"),
        (f"- {{name: a, {COMMON}, keyword: key, from: L1, of: bias}}", "'key' is no keyword"),
        (f"- {{name: a, {COMMON}, keyword: 'K[5-2]', from: L1, of: bias}}", "is empty"),
        (f"- {{name: a, {COMMON}, keyword: K, from: L9, of: bias}}", "from: 'L9'"),
        (f"- {{name: a, {COMMON}, products: [L0], of: bias}}", "'L0' is not among 2D"),
        (f"- {{name: A b, {COMMON}, count: bias}}", "small letters"),
        ("- {name: a, level: masters, count: bias}", "fail, reason, title, warn is not given"),
        (f"- {{name: a, name: b, {COMMON}, count: bias}}", ":4: 'name' stands twice"),
        (
            f"- {{name: a, {COMMON}, count: bias}}\n- {{name: a, {COMMON}, count: bias}}",
            ":5: a sec",
        ),
        (
            "- {name: a, level: x, title: T, reason: R, warn: [1, 2], fail: [1, 2], count: bias}",
            "level: 'x'",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, warn: [3, 2], fail: [1, 2],"
            " count: bias}",
            "warn: 3 is above 2",
        ),
        (
            "- {name: a, level: masters, title: T, reason: R, warn: 3, fail: [1, 2], count: bias}",
            "[low, high] is wanted, not 3",
        ),
        ("- nothing", "'nothing' is no rule"),
        ("- {", ":5: expected"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(rule: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    file.write_text(KINDS + rule + "\n")
    with pytest.raises(BadSettings) as refused:
        reading.load(file)
    assert str(file) in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize("text", ["", "rules: []", "kinds: {}\nrules: 3", "kinds: {a: {}}", "\x00"])
def test_what_is_no_criteria_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "criteria.yml"
    file.write_text(text)
    with pytest.raises(BadSettings, match="criteria"):
        reading.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"none\.yml"):
        reading.load(tmp_path / "none.yml")
