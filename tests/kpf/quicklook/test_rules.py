from __future__ import annotations

import numpy as np
import pytest

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.quality import QualityCheck, ValueLimits, Verdict, VerdictLimits
from kpfnb.kpf.quicklook.rules import FlagRule, RangeRule, Scope

PASS, WARN, FAIL, NOT_JUDGED = Verdict
LIMITS = VerdictLimits(ValueLimits(-1, 1), ValueLimits(-5, None))
GREEN = Scope(camera="GREEN")


def check_keyword(header: dict, keyword: str = "EL", scope: Scope = GREEN) -> QualityCheck:
    rule = RangeRule(check="t", limits=LIMITS, keyword=keyword, scope=scope)
    return rule.evaluate(FitsContent({"GREEN": "YES"} | header), "L0")


def check_flag(header: dict, keyword: str = "WILDWSCI", **options: object) -> QualityCheck:
    rule = FlagRule(check="f", keyword=keyword, bad=FAIL, **options)  # type: ignore[arg-type]
    return rule.evaluate(FitsContent(header), "L1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, PASS), (1, PASS), (1.1, WARN), (9e9, WARN), (-5, WARN), (-5.1, FAIL), (None, WARN),
     (float("nan"), FAIL), ("hot", WARN)],
)  # fmt: skip
def test_a_number_against_its_limits(value: float | str | None, expected: Verdict) -> None:
    assert check_keyword({"EL": value}).verdict is expected


@pytest.mark.parametrize(
    ("used", "expected"),
    [("YES", PASS), ("Yes", PASS), (True, PASS), ("NO", NOT_JUDGED), (False, NOT_JUDGED)],
)
def test_a_check_of_a_camera_applies_only_where_it_was_used(
    used: object, expected: Verdict
) -> None:
    assert check_keyword({"GREEN": used, "EL": 0}).verdict is expected


def test_without_the_keyword_the_extensions_say_whether_a_camera_was_used() -> None:
    rule = RangeRule(check="t", limits=LIMITS, keyword="EL", scope=GREEN)
    without = rule.evaluate(FitsContent({"EL": 0}), "L0")
    assert without.verdict is NOT_JUDGED
    assert without.value == "GREEN is not in the header, and no extension belongs to it"
    content = FitsContent({"EL": 0}, images={"GREEN_AMP1": np.zeros((2, 2))})
    check = rule.evaluate(content, "L0")
    assert check.verdict is PASS
    assert check.detail == "GREEN is not in the header: judged by the extensions"


def test_a_check_applies_only_to_its_types_of_exposure() -> None:
    check = check_keyword({"EL": 0, "IMTYPE": "Bias"}, scope=Scope(kinds=("Star", "Sun")))
    assert (check.verdict, check.value) == (NOT_JUDGED, "only for Star, Sun; this is Bias")
    assert check_keyword({"EL": 0}, scope=Scope(kinds=("Star",))).verdict is NOT_JUDGED
    running = Scope(when=(("AGITSTA", ("Running",)),))
    assert check_keyword({"EL": 0, "AGITSTA": "Stopped"}, scope=running).verdict is NOT_JUDGED
    assert check_keyword({"EL": 0, "AGITSTA": "Running"}, scope=running).verdict is PASS


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("v2.11.0", NOT_JUDGED), ("v2.12.0rc1", PASS), ("v2.12.1-3-gabc123", PASS),
     ("v2.13.0", NOT_JUDGED), ("newest", NOT_JUDGED), ("", NOT_JUDGED)],
)  # fmt: skip
def test_a_check_applies_only_to_its_versions(tag: str, expected: Verdict) -> None:
    scope = Scope(since="v2.12.0rc1", until="v2.12.9")
    assert check_keyword({"EL": 0, "DRPTAG": tag}, scope=scope).verdict is expected


@pytest.mark.parametrize(
    ("flag", "expected"), [(1, PASS), (0, FAIL), (True, PASS), (False, FAIL), ("maybe", WARN)]
)
def test_flags(flag: object, expected: Verdict) -> None:
    assert check_flag({"WILDWSCI": flag}).verdict is expected


def test_a_flag_that_the_version_does_not_write_is_not_judged() -> None:
    # The real L1 of DRP v2.8 have no WILDWSCI
    check = check_flag({"DRPTAG": "v2.8.2"})
    assert (check.verdict, check.value) == (NOT_JUDGED, "DRP v2.8.2 does not write it")


def test_a_flag_that_the_version_should_have_written_is_a_warning() -> None:
    check = check_flag({"DRPTAG": "v2.12.1"})
    assert check.verdict is WARN
    assert check.value == "not in the header, but DRP v2.12.1 writes it"
    assert check_flag({"DRPTAG": "v2.12.1"}, optional=True).verdict is NOT_JUDGED


@pytest.mark.parametrize("tag", ["", "newest"])
def test_a_flag_of_an_unknown_version_is_not_judged(tag: str) -> None:
    assert check_flag({"DRPTAG": tag} if tag else {}).verdict is NOT_JUDGED


def test_a_misspelt_keyword_is_said_to_be_unknown() -> None:
    check = check_flag({"DRPTAG": "v2.12.1"}, "WILDWSC")
    assert check.verdict is NOT_JUDGED
    assert "no known keyword of KPF; did you mean WILDWSCI?" in check.value


def test_tests_for_a_type_of_exposure_are_not_run_on_master_flats() -> None:
    # KPF's masters have IMTYPE Flat, which its QC does not know: raw flats have Flatlamp
    scope = Scope(kinds=("Flat",))
    header = {"DRPTAG": "v2.12.1", "IMTYPE": "Flat"}
    assert check_flag(header, "FLATSNR", scope=scope).verdict is NOT_JUDGED
    assert check_flag(header | {"IMTYPE": "Flatlamp"}, "FLATSNR", scope=scope).verdict is WARN


def test_a_value_that_can_only_be_shown_is_not_judged() -> None:
    rule = FlagRule(check="f", keyword="ISGOOD", bad=NOT_JUDGED)
    check = rule.evaluate(FitsContent({"ISGOOD": 0}), "L1")
    assert (check.verdict, check.value) == (NOT_JUDGED, 0)


@pytest.mark.parametrize(
    ("average", "expected"), [(b"0.5", PASS), (b"-nan", NOT_JUDGED), (b"", NOT_JUDGED), (3, WARN)]
)
def test_telemetry_without_a_reading_is_not_judged(average: object, expected: Verdict) -> None:
    rule = RangeRule(check="t", limits=LIMITS, telemetry="kpfgreen.STA_CCD_T")
    table = {"keyword": np.array([b"kpfgreen.STA_CCD_T "]), "average": np.array([average])}
    content = FitsContent(tables={"TELEMETRY": table})
    assert rule.evaluate(content, "L0").verdict is expected
    assert rule.evaluate(FitsContent(), "L0").verdict is NOT_JUDGED


def test_a_measure_that_finds_nothing_is_a_failure_only_where_its_camera_was_used() -> None:
    rule = RangeRule(check="t", limits=LIMITS, measure="unknown_green", scope=GREEN)
    used = rule.evaluate(FitsContent({"GREEN": "YES"}), "2D")
    assert (used.verdict, used.value) == (FAIL, "not in the file")
    anywhere = RangeRule(check="t", limits=LIMITS, measure="unknown_green")
    assert anywhere.evaluate(FitsContent(), "2D").verdict is NOT_JUDGED


@pytest.mark.parametrize(
    ("origins", "error"), [({}, "KeyError"), ({"object1_x": np.array([b"a"])}, "ValueError")]
)
def test_a_table_of_another_format_is_a_warning(origins: dict, error: str) -> None:
    limits = VerdictLimits(ValueLimits(None, 1), ValueLimits(None, 2))
    rule = RangeRule(check="g", limits=limits, measure="guiding_rms", unit="mas")
    check = rule.evaluate(FitsContent(tables={"GUIDER_CUBE_ORIGINS": origins}), "L0")
    assert check.verdict is WARN
    assert str(check.value).startswith(f"can't be measured: {error}")


def test_the_scope_in_words() -> None:
    scope = Scope(("Star", "Sun"), "GREEN", (("AGITSTA", ("Running",)),), until="v2.11.1")
    assert scope.describe() == "Star, Sun; GREEN was used; AGITSTA is Running; to v2.11.1"
    assert Scope().describe() == ""


def test_a_number_that_is_only_shown_is_a_finding_outside_its_limits() -> None:
    rule = RangeRule(check="t", limits=LIMITS, keyword="EL", is_judged=False)
    inside, outside = (rule.evaluate(FitsContent({"EL": value}), "L0") for value in (0.0, 9.0))
    assert (inside.verdict, inside.is_finding) == (PASS, False)
    assert (outside.verdict, outside.value, outside.is_finding) == (NOT_JUDGED, 9, True)
    missing = RangeRule(check="t", limits=LIMITS, telemetry="kpfgreen.STA_CCD_T")
    assert not missing.evaluate(FitsContent(), "L0").is_finding
