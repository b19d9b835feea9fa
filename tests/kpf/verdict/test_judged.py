"""What can't be measured is not judged: no PASS, and no WARN that nobody would read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kpfnb.core.result import Outcome
from kpfnb.core.settings import load_settings
from kpfnb.demo.header_only_night import HeaderOnlyNight, write_night
from kpfnb.kpf.files.masters import MasterSelection
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict
from kpfnb.kpf.quicklook.record import QuicklookRecord, write_record
from kpfnb.kpf.verdict import assessment, pages
from kpfnb.kpf.verdict.result import NightVerdict
from kpfnb.kpf.verdict.rule_results import RuleResult
from kpfnb.kpf.verdict.telemetry import read_sensors
from tests.kpf.verdict.conftest import NIGHT, SMALL

MakeNight = Callable[..., HeaderOnlyNight]


def result_of(night_verdict: NightVerdict, rule: str) -> RuleResult:
    return next(result for result in night_verdict.results if result.rule.name == rule)


def assess(rule: str) -> RuleResult:
    return result_of(assessment.assess_night(NIGHT), rule)


def rewrite_all(night: HeaderOnlyNight, kind: str, level: str, **cards: str | float | None) -> None:
    """Change the cards of all exposures of a kind; None removes a card."""
    for number in range(len(night.obsids[kind])):
        night.rewrite(kind, level, number, **cards)


def test_an_old_version_does_not_write_a_keyword(make_night: MakeNight) -> None:
    night = make_night()
    gone = {f"STDWGS{order:02d}": None for order in range(35)}
    for kind in ("lfc", "etalon"):
        rewrite_all(night, kind, "L1", DRPTAG="v2.8.2", **gone)
    result = assess("wavelength-scatter-green")
    assert result.verdict is Verdict.NOT_JUDGED
    assert result.value == "16 frames not judged: DRP v2.8.2 does not write what is measured"
    assert result.offenders == ()


def test_a_version_that_writes_a_keyword_should_have_it(make_night: MakeNight) -> None:
    night = make_night()
    night.rewrite("star", "L1", 0, SNRSC548=None)
    result = assess("star-signal")
    assert (result.verdict, result.measurement.frame_count) == (Verdict.WARN, 9)
    assert result.remark == "1 frame without a value"
    assert [offender.why for offender in result.offenders] == ["L1 has no SNRSC548"]


def test_flags_of_an_old_version_are_not_missed(make_night: MakeNight) -> None:
    night = make_night()
    names = ("OLDBIAS", "OLDDARK", "OLDFLAT", "OLDTRAC", "OLDLAMP", "OLDWLS", "OLDWLS2", "WLSL1")
    rewrite_all(night, "star", "L2", DRPTAG="v2.8.2", **dict.fromkeys(names))
    assert assess("recent-masters").verdict is Verdict.NOT_JUDGED
    rewrite_all(night, "star", "L2", DRPTAG="v2.12.1", **dict.fromkeys(names))
    assert assess("recent-masters").verdict is Verdict.WARN
    rewrite_all(night, "star", "L2", DRPTAG="main", **dict.fromkeys(names))
    assert assess("recent-masters").value.endswith("DRP main may not write what is measured")
    rewrite_all(night, "star", "L2", OLDBIAS=0)
    result = assess("recent-masters")
    assert (result.verdict, result.value) == (Verdict.WARN, "100 %")


def test_a_flag_is_missed_in_the_exposures_that_it_is_for(make_night: MakeNight) -> None:
    night = make_night()
    assert assess("calibration-flags").remark == ""
    night.rewrite("bias", "2D", 1, LOWBIAS=None)
    result = assess("calibration-flags")
    assert (result.verdict, result.value) == (Verdict.WARN, "0 %")
    assert [offender.why for offender in result.offenders] == ["2D has no LOWBIAS"]
    night.rewrite("bias", "2D", 1, LOWBIAS=None, DRPTAG="v2.8.2")
    assert assess("calibration-flags").verdict is Verdict.WARN
    night.rewrite("bias", "2D", 1, GOODREAD=None, DRPTAG="v2.8.2")
    assert assess("calibration-flags").verdict is Verdict.PASS


@pytest.mark.parametrize(("keep", "value"), [(1, "too few frames: 1 of 2"), (0, "no L2 of etalon")])
def test_a_spread_needs_two_frames(make_night: MakeNight, keep: int, value: str) -> None:
    night = make_night()
    for number in range(keep, len(night.obsids["etalon"])):
        night.path("etalon", "L2", number).unlink()
    result = assess("drift")
    assert (result.verdict, result.value) == (Verdict.NOT_JUDGED, value)


def test_a_value_that_means_none_is_left_out(make_night: MakeNight) -> None:
    night = make_night()
    night.rewrite("etalon", "L2", 0, CCFRV=0.0)
    result = assess("drift")
    assert (result.verdict, result.measurement.frame_count) == (Verdict.PASS, 9)
    assert result.remark == "1 frame left out: CCFRV = 0"


@pytest.mark.parametrize("value", [0.0, "NaN", None])
def test_an_l2_without_a_velocity_is_counted(make_night: MakeNight, value: object) -> None:
    night = make_night()
    night.rewrite("star", "L2", 2, CCFRV=value)  # type: ignore[arg-type]
    result = assess("star-velocities")
    assert (result.verdict, result.value) == (Verdict.WARN, "90 %")
    assert [offender.name for offender in result.offenders] == [night.obsids["star"][2]]
    assert assess("stars-reduced").value == "90 %"


def test_no_star_is_no_fault(make_night: MakeNight, isolated: Path) -> None:
    write_night(isolated / "data", NIGHT, {"bias": 12}, sizes=SMALL)
    night_verdict = assessment.assess_night(NIGHT)
    assert night_verdict.levels["science"] is Verdict.NOT_JUDGED  # type: ignore[index]
    assert result_of(night_verdict, "stars-reduced").value == "no L0 of star"
    assert result_of(night_verdict, "flat-frames").verdict is Verdict.FAIL


def test_ccd_temperatures_are_read_from_telemetry(make_night: MakeNight) -> None:
    night = make_night()
    assert assess("ccd-temperature-green").measurement.value == pytest.approx(0.002, abs=1e-6)
    path = night.path("dark", "L0", 1)
    assert read_sensors(path, ["kpfred.STA_CCD_T", "none"]).keys() == {"kpfred.STA_CCD_T"}
    for reading, verdict in ((b"-100.200", Verdict.WARN), (b"-96.0   ", Verdict.FAIL)):
        content = path.read_bytes()
        at = content.index(b"kpfred.STA_CCD_T") + len("kpfgreen.STA_CCD_T")
        path.write_bytes(content[:at] + reading + content[at + 8 :])
        result = assess("ccd-temperature-red")
        assert result.verdict is verdict
        assert [offender.name for offender in result.offenders] == [night.obsids["dark"][1]]


@pytest.mark.parametrize("average", ["-nan    ", "off     "])
def test_a_sensor_without_a_reading_is_a_warning(make_night: MakeNight, average: str) -> None:
    path = make_night().path("flat", "L0", 0)
    content = path.read_bytes()
    at = content.index(b"kpfgreen.STA_CCD_T") + len("kpfgreen.STA_CCD_T")
    path.write_bytes(content[:at] + average.encode() + content[at + len(average) :])
    result = assess("ccd-temperature-green")
    assert (result.verdict, result.remark) == (Verdict.WARN, "1 frame without a value")
    assert assess("ccd-temperature-red").verdict is Verdict.PASS


def test_readings_are_kept_in_the_index(
    make_night: MakeNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_night()
    first = assess("ccd-temperature-green")

    def fail(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("kpfnb.kpf.verdict.night_data.read_sensors", fail)
    assert assess("ccd-temperature-green") == first


@pytest.mark.parametrize(
    ("kind", "rule", "verdict"),
    [
        ("flat", "master-flat", Verdict.FAIL),
        ("WLS", "master-wavelengths", Verdict.FAIL),
        ("smooth lamp", "smooth-lamp", Verdict.WARN),
        ("trace RED", "order-traces", Verdict.WARN),
    ],
)
def test_a_missing_master_is_found(
    make_night: MakeNight, kind: str, rule: str, verdict: Verdict
) -> None:
    make_night().master(kind).unlink()
    assert assess(rule).verdict is verdict


def test_other_forms_of_a_master_are_not_counted(make_night: MakeNight) -> None:
    path = make_night().master("flat")
    for form in ("_L1", "_L2", "_norect"):
        path.with_name(f"{path.stem}{form}.fits").write_bytes(path.read_bytes())
    assert assess("master-flat").value == "1"
    with pytest.raises(ValueError, match="those are bias, dark, flat"):
        MasterSelection.parse("flats")


def test_a_stack_without_uncertainties_is_no_good_master(make_night: MakeNight) -> None:
    path = make_night().master("bias")
    path.write_bytes(path.read_bytes().replace(b"RED_CCD_UNC", b"RED_CCD_XXX"))
    result = assess("master-bias")
    assert result.verdict is Verdict.FAIL
    assert [offender.why for offender in result.offenders] == ["no extension RED_CCD_UNC"]


def test_products_without_l0_are_judged_and_not_counted(make_night: MakeNight) -> None:
    night = make_night()
    for number in range(12):
        night.path("flat", "L0", number).unlink()
    night_verdict = assessment.assess_night(NIGHT)
    assert result_of(night_verdict, "flat-frames").measurement.value == 0
    assert result_of(night_verdict, "flat-signal").measurement.frame_count == 12
    assert night_verdict.notes[-1].startswith("12 observations with products and without an L0")


def test_not_judged_rules_are_folded_away(make_night: MakeNight) -> None:
    make_night()
    night_verdict = assessment.assess_night(NIGHT, accept="PASS")
    assert (night_verdict.verdict, night_verdict.outcome) == (Verdict.PASS, Outcome.SUCCEEDED)
    assert night_verdict.key_figures()["rules not judged"] == 1
    assert "  – 1 rule not judged: quicklook-checks" in str(night_verdict)
    page = pages.write_verdict_page(night_verdict).read_text()
    for html in (page, assessment.live_html(night_verdict), night_verdict._repr_html_()):
        assert "<summary>1 rule not judged</summary>" in html
    assert "source of the limits" in page
    assert "green_ccd_10mK" in page


def test_an_unknown_keyword_of_a_rule_is_noted(
    make_night: MakeNight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_night()
    file = tmp_path / "criteria.yml"
    file.write_text(
        "kinds: {star: {IMTYPE: Object}}\nrules:\n- {name: a, level: science, title: T, reason: R,"
        " source: S, warn: [1, 2], fail: [1, 2], keyword: CCFRVX, from: L2, of: star}\n"
    )
    monkeypatch.setenv("KPFNB_VERDICT_CRITERIA", str(file))
    night_verdict = assessment.assess_night(NIGHT)
    assert night_verdict.verdict is Verdict.NOT_JUDGED
    assert "rule a: CCFRVX: no known keyword of KPF; did you mean CCFRV" in str(night_verdict)


def use_rule(monkeypatch: pytest.MonkeyPatch, file: Path, rule: str) -> None:
    """Use criteria with one rule, named `a`."""
    file.write_text(
        "kinds: {star: {SCI-OBJ: Target}, bias: {IMTYPE: Bias}}\nrules:\n"
        f"- {{name: a, level: science, title: T, reason: R, source: S, {rule}}}\n"
    )
    monkeypatch.setenv("KPFNB_VERDICT_CRITERIA", str(file))


@pytest.mark.parametrize("value", ["1", "n/a", "NaN"])
def test_a_text_in_a_flag_is_no_pass(make_night: MakeNight, value: str) -> None:
    night = make_night()
    night.rewrite("bias", "2D", 1, LOWBIAS=value)
    result = assess("calibration-flags")
    assert (result.verdict, result.value) == (Verdict.WARN, "0 %")
    assert [offender.why for offender in result.offenders] == ["2D has no number in LOWBIAS"]


def test_a_text_in_place_of_a_number_is_said(make_night: MakeNight) -> None:
    night = make_night()
    night.rewrite("star", "L1", 0, SNRSC548="n/a", DRPTAG="v2.8.2")
    result = assess("star-signal")
    assert [offender.why for offender in result.offenders] == ["L1 has no number in SNRSC548"]


def test_a_value_that_means_none_is_left_out_of_several(
    make_night: MakeNight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = make_night()
    night.rewrite("star", "L1", 0, SNRSC548=0.0, SNRSC652=200.0)
    limits = "warn: [1, null], fail: [null, null]"
    names = "keyword: [SNRSC548, SNRSC652], from: L1, across: min, statistic: min"
    use_rule(monkeypatch, tmp_path / "a.yml", f"{names}, of: star, ignore: 0, {limits}")
    assert assess("a").measurement.frame_count == 10
    night.rewrite("star", "L1", 0, SNRSC548=0.0, SNRSC652=0.0)
    result = assess("a")
    assert (result.measurement.frame_count, result.verdict) == (9, Verdict.PASS)


def test_a_reading_that_means_none_is_left_out(
    make_night: MakeNight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_night().path("bias", "L0", 0)
    content = path.read_bytes()
    at = content.index(b"kpfgreen.STA_CCD_T") + len("kpfgreen.STA_CCD_T")
    path.write_bytes(content[:at] + b"-999.000" + content[at + 8 :])
    names = "telemetry: kpfgreen.STA_CCD_T, of: bias, statistic: min, ignore: -999"
    use_rule(monkeypatch, tmp_path / "a.yml", f"{names}, warn: [-101, -99], fail: [-200, 0]")
    result = assess("a")
    assert (result.verdict, result.measurement.frame_count) == (Verdict.PASS, 11)
    assert result.remark == "1 frame left out: kpfgreen.STA_CCD_T = -999"


@pytest.mark.parametrize(
    ("verdict", "expected", "value"),
    [
        (Verdict.FAIL, Verdict.FAIL, "100 %"),
        (Verdict.PASS, Verdict.PASS, "0 %"),
        (Verdict.NOT_JUDGED, Verdict.NOT_JUDGED, "no quicklook verdict of star"),
    ],
)
def test_quicklook_counts_where_it_judged(
    make_night: MakeNight, verdict: Verdict, expected: Verdict, value: str
) -> None:
    obsid = make_night().obsids["star"][0]
    check = QualityCheck("Counts", verdict, 3.0, "", "at least 4", "MEDGRN1")
    record = QuicklookRecord(obsid, "2D", NIGHT, "f.fits", 1, 1, "", checks=(check,))
    write_record(load_settings().qlp_path / NIGHT / obsid, record)
    result = assess("quicklook-checks")
    assert (result.verdict, result.value) == (expected, value)
    assert [offender.why for offender in result.offenders] == ["Counts"] * (expected == "FAIL")
