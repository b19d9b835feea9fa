from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.quicklook import check_rules
from kpfnb.kpf.quicklook.check_rules import FlagRule, RangeRule
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.quality import QualityCheck, ValueLimits, Verdict, VerdictLimits

PASS, WARN, FAIL, NOT_JUDGED = Verdict
TEMPERATURE = RangeRule(
    "t",
    VerdictLimits(ValueLimits(-1, 1), ValueLimits(-5, None)),
    keyword="T",
    when=(("G", ("YES",)),),
)


def verdict(check: QualityCheck | None) -> Verdict | None:
    return check.verdict if check else None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, PASS), (1, PASS), (1.1, WARN), (9e9, WARN), (-5, WARN), (-5.1, FAIL), (None, WARN),
     (float("nan"), FAIL), ("hot", WARN)],
)  # fmt: skip
def test_a_number_against_its_limits(value: float | str | None, expected: Verdict) -> None:
    assert verdict(TEMPERATURE.evaluate(FitsContent({"G": "YES", "T": value}))) is expected


def test_a_check_applies_only_to_its_exposures() -> None:
    assert TEMPERATURE.evaluate(FitsContent({"G": "NO", "T": 99})) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [({"K": 1}, PASS), ({"K": 0}, FAIL), ({"K": True}, PASS), ({}, WARN), ({"K": "maybe"}, WARN)],
)
def test_flags(header: dict, expected: Verdict) -> None:
    assert FlagRule("k", "K", FAIL).evaluate(FitsContent(header)).verdict is expected


def test_the_worst_check_comes_first() -> None:
    checks = check_rules.evaluate_checks("2D", FitsContent({"NOTJUNK": 0, "DATAPRL0": 1}))
    assert checks[0].source == "NOTJUNK"
    assert checks[-1].verdict is PASS


def test_every_level_has_checks_and_every_measure_is_used() -> None:
    rules = check_rules.load_rules()
    assert all(rules.values())
    used = {
        rule.measure
        for level_rules in rules.values()
        for rule in level_rules
        if isinstance(rule, RangeRule)
    }
    assert used - {""} == set(MEASURES)


def test_thresholds_of_a_site(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("L0: {ranges: [{check: mine, keyword: T, warn: [0, 1], fail: [null, null]}]}\n")
    assert [
        check.name for check in check_rules.evaluate_checks("L0", FitsContent({"T": 3}), file)
    ] == ["mine"]


def test_thresholds_that_change_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("L0: {ranges: [{check: a, keyword: T, warn: [0, 1], fail: [0, 1]}]}\n")
    before = check_rules.rules_digest("L0", file)
    file.write_text("L0: {ranges: [{check: a, keyword: T, warn: [0, 10], fail: [0, 10]}]}\n")
    assert check_rules.evaluate_checks("L0", FitsContent({"T": 3}), file)[0].verdict is PASS
    assert check_rules.rules_digest("L0", file) != before
    assert check_rules.rules_digest("L1", file) == check_rules.rules_digest("L2", file)


@pytest.mark.parametrize(
    ("origins", "error"), [({}, "KeyError"), ({"object1_x": np.array([b"a"])}, "ValueError")]
)
def test_a_table_of_another_format_is_a_warning(origins: dict, error: str) -> None:
    limits = VerdictLimits(ValueLimits(None, 1), ValueLimits(None, 2))
    rule = RangeRule("g", limits, measure="guiding_rms", unit="mas")
    check = rule.evaluate(FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins}))
    assert verdict(check) is WARN
    assert check and str(check.value).startswith(f"can't be measured: {error}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("L9: {}", "line 1: L9: not a level; known: L0"),
        (
            "L0:\n ranges:\n - {check: x, measure: beauty, warn: [0, 1], fail: [0, 1]}",
            "line 3: L0.ranges.0.measure: no measure 'beauty'",
        ),
        ("L0: {ranges: [{check: x, warn: [0, 1], fail: [0, 1]}]}", "name a keyword or a measure"),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [0, 1], fail: [0, low]}]}",
            "L0.ranges.0.fail.1: Input should be a valid number",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, expected: {A: 1}, warn: [0, 1], fail: [0, 1]}]}",
            "expected is only for measures",
        ),
        ("L0: {range: []}", "L0.range: unknown key 'range'; did you mean ranges?"),
        ("L0: {flags: {bad: {K: no}}}", "L0.flags.bad"),
        ("L0: [", "line 2: did not find"),
    ],
)
def test_mistakes_in_thresholds_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=re.escape(message)) as caught:
        check_rules.load_rules(file)
    assert caught.value.what.startswith(str(file))


def test_a_ccd_without_any_value_fails_and_its_record_can_be_written() -> None:
    content = FitsContent(images={"GREEN_AMP1": np.full((100, 100), np.nan, ">f4")})
    checks = {check.source: check for check in check_rules.evaluate_checks("L0", content)}
    for name in ("saturated_green", "dead_green"):
        assert (checks[name].verdict, checks[name].value) == (FAIL, "nan")


def test_a_camera_that_was_used_and_is_missing_in_the_file_does_not_pass() -> None:
    used = check_rules.evaluate_checks("L0", FitsContent({"GREEN": "YES", "RED": "NO"}))
    missing = {check.source: check.verdict for check in used if check.value == "not in the file"}
    assert missing == {"saturated_green": WARN, "dead_green": WARN}


def test_velocities_of_an_unused_camera_are_not_expected() -> None:
    header = {"IMTYPE": "Object", "GREEN": "YES", "RED": "NO"}
    checks = check_rules.evaluate_checks(
        "L2", FitsContent(header, headers={"RV": {"CCD1ERV": 0.001}})
    )
    measured = {check.source for check in checks} & set(MEASURES)
    assert measured == {"velocity_error_green"}
