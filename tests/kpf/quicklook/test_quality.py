from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.quicklook import quality
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.quality import FlagRule, QualityCheck, RangeRule, ValueLimits, Verdict

PASS, WARN, FAIL = Verdict
TEMPERATURE = RangeRule(
    "t", ValueLimits(-1, 1), ValueLimits(-5, None), keyword="T", when=(("G", ("YES",)),)
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


def test_a_check_is_only_for_the_exposures_it_is_meant_for() -> None:
    assert TEMPERATURE.evaluate(FitsContent({"G": "NO", "T": 99})) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [({"K": 1}, PASS), ({"K": 0}, FAIL), ({"K": True}, PASS), ({}, WARN), ({"K": "maybe"}, WARN)],
)
def test_flags(header: dict, expected: Verdict) -> None:
    assert FlagRule("k", "K", FAIL).evaluate(FitsContent(header)).verdict is expected


def test_limits_in_words() -> None:
    pairs = [(None, None), (None, 2), (1, None), (1, 2)]
    assert [str(ValueLimits(*pair)) for pair in pairs] == [
        "any",
        "at most 2",
        "at least 1",
        "1 to 2",
    ]


def test_the_worst_comes_first_and_counts() -> None:
    checks = quality.evaluate_checks("2D", FitsContent({"NOTJUNK": 0, "DATAPRL0": 1}))
    assert checks[0].source == "NOTJUNK"
    assert checks[-1].verdict is PASS
    assert quality.worst_verdict(check.verdict for check in checks) is FAIL
    assert quality.worst_verdict([]) is PASS


def test_every_level_has_checks_and_no_measure_is_idle() -> None:
    rules = quality.load_rules()
    assert all(rules.values())
    used = {
        rule.measure for found in rules.values() for rule in found if isinstance(rule, RangeRule)
    }
    assert used - {""} == set(MEASURES)


def test_thresholds_of_a_site(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("L0: {ranges: [{check: mine, keyword: T, warn: [0, 1], fail: [null, null]}]}\n")
    assert [check.name for check in quality.evaluate_checks("L0", FitsContent({"T": 3}), file)] == [
        "mine"
    ]


def test_thresholds_that_change_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("L0: {ranges: [{check: a, keyword: T, warn: [0, 1], fail: [0, 1]}]}\n")
    before = quality.rules_digest("L0", file)
    file.write_text("L0: {ranges: [{check: a, keyword: T, warn: [0, 10], fail: [0, 10]}]}\n")
    assert quality.evaluate_checks("L0", FitsContent({"T": 3}), file)[0].verdict is PASS
    assert quality.rules_digest("L0", file) != before
    assert quality.rules_digest("L1", file) == quality.rules_digest("L2", file)


@pytest.mark.parametrize(
    ("origins", "error"), [({}, "KeyError"), ({"object1_x": np.array([b"a"])}, "ValueError")]
)
def test_a_table_of_another_make_is_a_warning(origins: dict, error: str) -> None:
    rule = RangeRule(
        "g", ValueLimits(None, 1), ValueLimits(None, 2), measure="guiding_rms", unit="mas"
    )
    check = rule.evaluate(FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins}))
    assert verdict(check) is WARN
    assert check and str(check.value).startswith(f"can't be measured: {error}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("L9: {}", "line 1: L9: no level; known: L0"),
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
            "expected is for measures",
        ),
        ("L0: {range: []}", "L0.range: unknown key 'range'; did you mean ranges?"),
        ("L0: {flags: {bad: {K: no}}}", "L0.flags.bad"),
        ("L0: [", "line 2: did not find"),
    ],
)
def test_wrong_thresholds_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=re.escape(said)) as caught:
        quality.load_rules(file)
    assert caught.value.what.startswith(str(file))


def test_saturated_and_dead_pixels() -> None:
    amplifier = np.full((100, 100), 1000, ">f4")
    amplifier[:10], amplifier[10:15] = 65_535, 0
    found = FitsContent(images={"GREEN_AMP1": amplifier})
    assert MEASURES["saturated_green"](found) == pytest.approx(10)
    assert MEASURES["dead_green"](found) == pytest.approx(5)
    assert MEASURES["saturated_red"](found) is None


def test_velocities_that_disagree() -> None:
    header = {"CCD1RV": 1.0, "CCD2RV": 1.05, "CCD1ERV": 0.003, "CCD2ERV": 0.004}
    found = FitsContent(headers={"RV": header})
    assert MEASURES["velocity_disagreement"](found) == pytest.approx(10)
    assert MEASURES["velocity_error_green"](found) == pytest.approx(3)
    assert MEASURES["velocity_disagreement"](FitsContent(headers={"RV": {"CCD1RV": 0.0}})) is None


def test_a_ccd_without_any_value_fails_and_its_record_can_be_written() -> None:
    found = FitsContent(images={"GREEN_AMP1": np.full((100, 100), np.nan, ">f4")})
    checks = {check.source: check for check in quality.evaluate_checks("L0", found)}
    for name in ("saturated_green", "dead_green"):
        assert (checks[name].verdict, checks[name].value) == (FAIL, "nan")


def test_a_guider_that_lost_its_star_now_and_then_is_measured_by_the_rest() -> None:
    origins = {f"{what}_{axis}": np.zeros(3) for what in ("object1", "target") for axis in "xy"}
    origins["object1_x"] = np.array([1.0, np.nan, 1.0])
    found = FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins})
    assert MEASURES["guiding_rms"](found) == pytest.approx(56)
    origins["object1_x"][:] = np.nan
    assert np.isnan(MEASURES["guiding_rms"](found) or 0)


def test_a_camera_that_was_used_and_is_not_in_the_file_does_not_pass() -> None:
    used = quality.evaluate_checks("L0", FitsContent({"GREEN": "YES", "RED": "NO"}))
    missing = {check.source: check.verdict for check in used if check.value == "not in the file"}
    assert missing == {"saturated_green": WARN, "dead_green": WARN}


def test_of_one_camera_the_velocities_of_the_other_are_not_missed() -> None:
    header = {"IMTYPE": "Object", "GREEN": "YES", "RED": "NO"}
    checks = quality.evaluate_checks("L2", FitsContent(header, headers={"RV": {"CCD1ERV": 0.001}}))
    measured = {check.source for check in checks} & set(MEASURES)
    assert measured == {"velocity_error_green"}
