from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidInputError
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.quality_flags import ALL_SPECTRA, read_quality_flags
from kpfnb.kpf.quicklook import check_rules
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES
from kpfnb.kpf.quicklook.quality import Verdict, worst_verdict
from kpfnb.kpf.quicklook.rules import FlagRule, RangeRule

PASS, WARN, FAIL, NOT_JUDGED = Verdict


def test_the_worst_check_comes_first() -> None:
    checks = check_rules.evaluate_checks("2D", FitsContent({"NOTJUNK": 0, "DATAPRL0": 1}))
    assert checks[0].source == "NOTJUNK"
    assert [check.source for check in checks if check.verdict is PASS] == ["DATAPRL0"]
    assert checks[-1].verdict is NOT_JUDGED


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
    file.write_text(
        "L0: {ranges: [{check: mine, keyword: T, warn: [0, 1], fail: [0, 9], source: ours}]}\n"
    )
    assert [
        check.name for check in check_rules.evaluate_checks("L0", FitsContent({"T": 3}), file)
    ] == ["mine"]


def test_thresholds_that_change_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(
        "L0: {ranges: [{check: a, keyword: T, warn: [0, 1], fail: [0, 1], source: ours}]}\n"
    )
    before = check_rules.rules_digest("L0", file)
    file.write_text(
        "L0: {ranges: [{check: a, keyword: T, warn: [0, 10], fail: [0, 10], source: ours}]}\n"
    )
    assert check_rules.evaluate_checks("L0", FitsContent({"T": 3}), file)[0].verdict is PASS
    assert check_rules.rules_digest("L0", file) != before
    assert check_rules.rules_digest("L1", file) == check_rules.rules_digest("L2", file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("L9: {}", "line 1: L9: not a level; known: L0"),
        (
            "L0:\n ranges:\n - {check: x, measure: b, warn: [0, 1], fail: [0, 1], source: ours}",
            "line 3: L0.ranges.0.measure: no measure 'b'",
        ),
        (
            "L0: {ranges: [{check: x, warn: [0, 1], fail: [0, 1], source: ours}]}",
            "give one of keyword, telemetry and measure",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [0, 1], fail: [0, low], source: ours}]}",
            "L0.ranges.0.fail.1: Input should be a valid number",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [0, 1], fail: [0, 1]}]}",
            "L0.ranges.0.source: Field required",
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: FAIL}]}",
            "L1.flags.0.source: Field required",
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: WARN, for: [Stars], source: ours}]}",
            "no type of exposure 'Stars'; did you mean Star?",
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: WARN, camera: GREAN, source: ours}]}",
            "no camera 'GREAN'; did you mean GREEN?",
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: WARN, since: newest, source: ours}]}",
            "L1.flags.0.since: 'newest' is not a DRP version",
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: WARN, when: {GREEN: YES}, source: ours}]}",
            'L1.flags.0.when.GREEN: write each value as a text: "YES"',
        ),
        (
            "L1: {flags: [{check: x, keyword: T, bad: WARN, when: {GREEN: []}, source: ours}]}",
            "L1.flags.0.when.GREEN",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [5, 1], fail: [0, 9], source: ours}]}",
            "L0.ranges.0.warn: the lower limit 5 is above the upper one, 1",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [0, 9], fail: [2, 5], source: ours}]}",
            "L0.ranges.0: warn (0 to 9) allows values that fail (2 to 5) does not",
        ),
        (
            "L0: {ranges: [{check: x, keyword: T, warn: [null, 9], fail: [2, 9], source: ours}]}",
            "warn (at most 9) allows values that fail (2 to 9) does not",
        ),
        ("L0: {range: []}", "L0.range: unknown key 'range'; did you mean ranges?"),
        ("L0: {flags: [{check: x, keyword: K, bad: BAD, source: ours}]}", "L0.flags.0.bad"),
        ("L0: [", "line 2: did not find"),
    ],
)
def test_mistakes_in_thresholds_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.yml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=re.escape(message)) as caught:
        check_rules.load_rules(file)
    assert caught.value.what.startswith(str(file))


def test_names_that_no_file_has_are_said_to_be_unknown(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text(
        "L0:\n"
        "  ranges:\n"
        "  - {check: a, telemetry: kpfgreen.STA_CCDT, warn: [0, 1], fail: [0, 1], source: ours}\n"
        '  - {check: b, keyword: EL, when: {AGITSTT: ["On"]}, source: ours,\n'
        "     warn: [0, 1], fail: [0, 1]}\n"
    )
    telemetry, condition = check_rules.evaluate_checks("L0", FitsContent(), file)
    unknown = "no known keyword of KPF; did you mean kpfgreen.STA_CCD_T?"
    assert telemetry.value == f"no reading in TELEMETRY; {unknown}"
    assert check_rules.list_limits(file)[0].since == unknown
    assert str(condition.value).endswith("did you mean AGITSTA?")


def test_every_limit_has_a_source_and_its_versions() -> None:
    limits = check_rules.list_limits()
    assert len(limits) > 80
    assert all(limit.source and limit.limits for limit in limits)
    by_name = {(limit.level, limit.name): limit for limit in limits}
    assert by_name["L0", "kpfgreen.STA_CCD_T"].scope == "GREEN was used"
    assert by_name["L1", "WILDWSCI"].since == "v2.9.0"
    assert by_name["2D", "GOODREAD"].limits == "PASS 1, FAIL 0"


def test_every_flag_of_the_pipeline_is_judged_once_and_for_its_exposures() -> None:
    rules = check_rules.load_rules()
    flags = {
        level: {rule.keyword: rule for rule in rules[level] if isinstance(rule, FlagRule)}
        for level in ("L0", "2D", "L1", "L2")
    }
    assert not flags["L0"]  # the DRP writes nothing into an L0
    # These say 0 for some exposures that they should not judge, as thresholds.yml explains
    narrower = {"WLSL1", "POS2DSNR", "GRCCDT10", "GRCCDT1", "RDCCDT10", "RDCCDT1"}
    cameras = {"Green": "GREEN", "Red": "RED", "CaHK": "CA_HK", "ExpMeter": "EXPMETER"}
    for name, flag in read_quality_flags().items():
        rule = flags["2D" if flag.level == "L0" else flag.level][name]
        if name not in narrower:
            expected = () if flag.spectra == (ALL_SPECTRA,) else flag.spectra
            assert set(rule.scope.kinds) == set(expected), name
        if name != "QCPCBCV":
            expected = tuple(cameras.get(product, "GUIDE") for product in flag.products)
            assert rule.scope.camera == "".join(expected), name
    levels = {level: set(names) for level, names in flags.items()}
    assert levels["2D"] & levels["L1"] == {"NOTJUNK", "ISGOOD", "CLEARSKY"}
    assert levels["L1"] & levels["L2"] == {"NOTJUNK", "ISGOOD"}


@pytest.mark.parametrize("version", ["v2.8.2", "v2.9.1", "v2.12.1"])
@pytest.mark.parametrize("level", ["2D", "L1", "L2"])
def test_a_file_with_all_flags_of_its_version_has_no_flag_to_warn_of(
    level: str, version: str
) -> None:
    header = {"DRPTAG": version, "IMTYPE": "Bias", "GREEN": "NO", "RED": "NO"}
    rules = check_rules.load_rules()[level]
    flags = [rule.keyword for rule in rules if isinstance(rule, FlagRule)]
    written = {name: 1 for name in flags if keywords.was_written(name, level, version)}
    checks = check_rules.evaluate_checks(level, FitsContent(header | written))
    assert written
    assert not [check for check in checks if check.verdict.needs_attention]
    # Without them each that applies is a warning
    missing = [
        check
        for check in check_rules.evaluate_checks(level, FitsContent(header))
        if check.verdict is WARN
    ]
    assert missing
    assert {check.source for check in missing} <= set(written)


def test_a_file_to_which_no_check_applies_is_not_judged() -> None:
    for level in ("L0", "L1", "L2", "master"):
        checks = check_rules.evaluate_checks(level, FitsContent())
        assert worst_verdict(check.verdict for check in checks) is NOT_JUDGED, level


def test_the_agitator_flag_of_v2_12_says_nothing() -> None:
    # The QC of v2.12 writes 0 for every exposure
    header = {"AGITOK": 0, "IMTYPE": "Object", "SCI-OBJ": "Target", "DRPTAG": "v2.12.1"}
    checks = {c.source: c for c in check_rules.evaluate_checks("2D", FitsContent(header))}
    assert checks["AGITOK"].verdict is NOT_JUDGED
    header["DRPTAG"] = "v2.11.1"
    checks = {c.source: c for c in check_rules.evaluate_checks("2D", FitsContent(header))}
    assert checks["AGITOK"].verdict is WARN


def test_a_ccd_without_any_value_fails_and_its_record_can_be_written() -> None:
    content = FitsContent({"GREEN": "YES"}, images={"GREEN_AMP1": np.full((100, 100), np.nan)})
    checks = {check.source: check for check in check_rules.evaluate_checks("L0", content)}
    assert (checks["dead_green"].verdict, checks["dead_green"].value) == (FAIL, 100)
    assert checks["missing_amplifiers_green"].detail == "no GREEN_AMP2"


@pytest.mark.parametrize("level", ["L0", "2D", "L1", "L2"])
@pytest.mark.parametrize("used", ["YES", True])
def test_a_camera_that_was_used_and_is_missing_in_the_file_fails(level: str, used: object) -> None:
    header = {"GREEN": used, "RED": "NO", "IMTYPE": "Object", "SCI-OBJ": "Target"}
    checks = check_rules.evaluate_checks(level, FitsContent(header))
    missing = {check.source for check in checks if check.value == "not in the file"}
    failed = {check.source for check in checks if check.verdict is FAIL}
    assert any("green" in name for name in missing & failed)
    assert not [name for name in failed if "red" in name]


VALUES = st.none() | st.booleans() | st.floats() | st.integers(-2, 2) | st.text(max_size=8)
NAMES = st.sampled_from(
    [
        "GREEN",
        "RED",
        "CA_HK",
        "EXPMETER",
        "IMTYPE",
        "OBJECT",
        "OCTAGON",
        "DRPTAG",
        "NOTJUNK",
        "KPFERA",
        "ISGOOD",
        "MONOTWLS",
        "EL",
        "SNRSC548",
        "RNGREEN1",
        "AGITSTA",
        "SCI-OBJ",
        "FFFB",
    ]
)


@given(
    level=st.sampled_from(["L0", "2D", "L1", "L2", "master"]), header=st.dictionaries(NAMES, VALUES)
)
def test_any_header_is_judged_without_an_exception(level: str, header: dict) -> None:
    checks = check_rules.evaluate_checks(level, FitsContent(header))
    assert checks
    for check in checks:
        assert check.value not in (None, "")
        json.dumps(asdict(check), allow_nan=False)
