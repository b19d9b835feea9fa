"""What quicklook says of the three real L1 files; what is expected was read in them by astropy."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpfnb.kpf.quicklook import check_rules, plot_registry
from kpfnb.kpf.quicklook.file_products import summarise_exposure
from kpfnb.kpf.quicklook.instrument_plots import figures, fits_content, orderlets
from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.quality import QualityCheck, Verdict, worst_verdict
from tests.real_files import REAL_AUGUST, REAL_FEBRUARY, REAL_JUNE

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def contents(real_l1: dict[str, Path]) -> dict[str, FitsContent]:
    extensions = plot_registry.required_extensions("L1")
    return {obsid: fits_content.read_content(path, extensions) for obsid, path in real_l1.items()}


def checks_by_source(content: FitsContent) -> dict[str, list[QualityCheck]]:
    checks: dict[str, list[QualityCheck]] = {}
    for check in check_rules.evaluate_checks("L1", content):
        checks.setdefault(check.source, []).append(check)
    return checks


def test_good_real_files_pass(contents: dict[str, FitsContent]) -> None:
    for obsid, content in contents.items():
        checks = check_rules.evaluate_checks("L1", content)
        assert not [check for check in checks if check.verdict.needs_attention], obsid
        assert worst_verdict(check.verdict for check in checks) is Verdict.PASS
        passed = {check.source for check in checks if check.verdict is Verdict.PASS}
        assert {"NOTJUNK", "DATAPRL1", "SNRSC548", "rising_science_orders"} <= passed
        assert {"science_orders_without_wavelengths", "missing_spectra_red"} <= passed


def test_flags_that_version_2_8_does_not_write_are_not_judged(
    contents: dict[str, FitsContent],
) -> None:
    for content in contents.values():
        checks = checks_by_source(content)
        for name in ("OLDWLS", "OLDWLS2", "WILDWSCI", "WILDWSKY", "WILDWCAL"):
            assert checks[name][0].value == f"DRP {content.text('DRPTAG')} does not write it"
        assert checks["LFCSAT"][0].value == "only for LFC; this is Flat"


@pytest.mark.parametrize(
    ("obsid", "measure", "finding"),
    [
        (REAL_JUNE, "other_orders_without_wavelengths",
         "GREEN SKY 0 (no wavelengths, no flux), RED CAL 31 (no wavelengths)"),
        (REAL_AUGUST, "other_orders_without_wavelengths",
         "GREEN SKY 0 (no wavelengths, no flux), RED CAL 31 (209.6 to 207.1 Å)"),
        (REAL_AUGUST, "rising_other_orders", "RED CAL 19 (217 pixels), RED CAL 25 (19 pixels)"),
        (REAL_FEBRUARY, "shifted_other_orders",
         "RED CAL 1 (-11.6 km/s), RED CAL 2 (-11.7 km/s), RED CAL 3 (-11.8 km/s)"),
    ],
)  # fmt: skip
def test_odd_orders_are_named_and_not_judged(
    contents: dict[str, FitsContent], obsid: str, measure: str, finding: str
) -> None:
    if obsid not in contents:
        pytest.skip(f"the pack does not have {obsid}")
    [check] = checks_by_source(contents[obsid])[measure]
    assert (check.detail, check.is_finding) == (finding, True)


def test_the_pipelines_own_opinion_is_shown(contents: dict[str, FitsContent]) -> None:
    for obsid, content in contents.items():
        checks = checks_by_source(content)
        monotonic, good = checks["MONOTWLS"][0], checks["ISGOOD"][0]
        assert monotonic.value == int(obsid != REAL_AUGUST)
        assert good.value == int(obsid == REAL_JUNE)


def test_the_same_wavelengths_in_a_star_are_a_warning(contents: dict[str, FitsContent]) -> None:
    content = contents[min(contents)]
    header = content.header | {"IMTYPE": "Object", "SCI-OBJ": "Target", "OBJECT": "a star"}
    star = FitsContent(header, content.images, content.tables, content.headers)
    shifted = {check.name: check for check in checks_by_source(star)["shifted_science_orders"]}
    check = shifted["SCI orders whose wavelengths differ from SCI2"]
    expected = Verdict.WARN if REAL_JUNE in contents else Verdict.PASS
    assert check.verdict is expected


def test_pictures_leave_out_the_odd_orders(contents: dict[str, FitsContent]) -> None:
    if REAL_AUGUST not in contents:
        pytest.skip(f"the pack does not have {REAL_AUGUST}")
    content = contents[REAL_AUGUST]
    figure = figures.new_figure(*plot_registry.TALL)
    [plot] = [plot for plot in plot_registry.L1 if plot.name == "CAL_spectrum"]
    plot.draw(figure, content)
    green, red = figure.axes
    assert red.get_title(loc="left") == "Red; not drawn: order 31 (209.6 to 207.1 Å)"
    assert red.get_xlim()[0] > 5900
    assert green.get_title(loc="left") == "Green"


@pytest.mark.parametrize("plot", plot_registry.L1, ids=lambda plot: plot.name)
def test_every_picture_of_a_real_file_can_be_drawn(
    contents: dict[str, FitsContent], plot: plot_registry.PlotSpec
) -> None:
    content = contents[REAL_FEBRUARY]
    reason = plot.missing_reason(content)
    # This file was taken with the Ca H&K camera, and its spectra are empty all the same
    assert reason == ("CA_HK_SCI has no data" if plot.name == "HK_spectra" else "")
    if not reason:
        plot.draw(figures.new_figure(*plot.size), content)


def test_arrays_are_of_double_precision(contents: dict[str, FitsContent]) -> None:
    for content in contents.values():
        assert orderlets.list_cameras(content) == ["GREEN", "RED"]
        assert {image.dtype.str for image in content.images.values()} == {">f8"}
        # A table without columns is none
        assert "TELEMETRY" not in content.tables


def test_the_target_of_a_calibration_is_not_that_of_the_exposure_before(
    contents: dict[str, FitsContent],
) -> None:
    # TARGNAME of the file of June is Sun
    assert {summarise_exposure(content).target for content in contents.values()} == {
        "autocal-flat-all"
    }
