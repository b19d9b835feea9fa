"""The quality flags in simulated products: those that a version writes, and what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.demo import qc_cards, qc_flags
from kpfnb.demo.extraction import ElectronFrame, ExtractedSpectra, calibrate_frame
from kpfnb.demo.header_layout import HeaderCard
from kpfnb.demo.instrument import CAMERAS, DEMO_SIDE, ORDERLETS
from kpfnb.demo.night import simulate_night
from kpfnb.demo.plan import USUAL_COUNTS
from kpfnb.kpf.files.keywords import was_written
from kpfnb.kpf.files.obsid import ObsID
from kpfnb.kpf.files.quality_flags import read_quality_flags

NONE = dict.fromkeys(USUAL_COUNTS, 0)
TAGS = ("v2.8.2", "v2.9.1", "v2.10.3", "v2.11.1", "v2.12.1")
AGES = {"AGEBIAS": 0, "AGEDARK": 0, "AGEFLAT": 0}


def values(cards: list[HeaderCard]) -> dict[str, Any]:
    return {keyword: value for keyword, value, _ in cards}


@pytest.fixture(scope="module")
def star(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good L0 of a star."""
    root = tmp_path_factory.mktemp("star")
    night = simulate_night(root, counts=NONE | {"star": 1})
    [obsid] = [e.obsid for e in night.exposures if not e.is_junk]
    return ObsID(obsid).path(root, "L0")


def flags_of(path: Path, tag: str, *, is_junk: bool = False, **ages: float) -> dict[str, Any]:
    with fits.open(path) as l0:
        frames = {camera.name: calibrate_frame(l0, camera, None) for camera in CAMERAS}
        header = {**l0[0].header, **AGES, **ages}
        return values(qc_flags.flags_2d(l0, header, frames, is_junk=is_junk, tag=tag))


@pytest.mark.parametrize("tag", TAGS)
def test_a_2d_has_the_flags_that_its_version_writes(star: Path, tag: str) -> None:
    expected = {
        flag.name
        for flag in read_quality_flags().values()
        if flag.level in ("L0", "2D")
        and flag.applies_to("Star")
        and was_written(flag.name, "2D", tag) is not False
    }
    found = flags_of(star, tag)
    assert set(found) == expected | {"ISGOOD"}
    # The agitator's flag of v2.12: each check runs twice, and its second run fails
    assert {name for name, value in found.items() if value == 0} == (
        {"AGITOK"} if tag == "v2.12.1" else set()
    )


def test_what_is_wrong_with_a_2d_sets_its_flag_and_the_last_one_to_0(star: Path) -> None:
    junk = flags_of(star, "v2.9.1", is_junk=True)
    assert (junk["NOTJUNK"], junk["ISGOOD"]) == (0, 0)
    old = flags_of(star, "v2.9.1", AGEBIAS=-6)
    assert (old["OLDBIAS"], old["OLDDARK"], old["ISGOOD"]) == (0, 1, 0)


def test_what_a_fault_of_the_l0_does_to_the_flags_of_later_levels(star: Path) -> None:
    """As the quality control of the pipeline (v2.12.1) says of such simulated products."""
    with fits.open(star) as l0:
        header = dict(l0[0].header)
        frames = {"GREEN": calibrate_frame(l0, CAMERAS[0], None)}
        lost = values(qc_flags.flags_2d(l0, header | AGES, frames, is_junk=False, tag="v2.12.1"))
    assert (lost["DATAPR2D"], lost["POS2DSNR"]) == (0, 0)
    good = values(qc_flags.flags_l2(header, ("GREEN", "RED"), "v2.12.1"))
    assert (good["DATAPRL2"], good["TIMCHKL2"], good["ISGOOD"]) == (1, 1, 1)
    lost = values(qc_flags.flags_l2(header, ("GREEN",), "v2.12.1"))
    assert (lost["DATAPRL2"], lost["TIMCHKL2"]) == (0, 1)
    smeared = values(qc_flags.flags_l2(header | {"ELAPSED": 6.3}, ("GREEN", "RED"), "v2.12.1"))
    assert (smeared["DATAPRL2"], smeared["TIMCHKL2"]) == (1, 0)


def comb_spectra(**change: Any) -> dict[str, ExtractedSpectra]:
    """Spectra of a comb with a line each 10 pixels; `change` sets rows of a camera to 0."""
    spectra = {}
    for camera in CAMERAS:
        flux = np.zeros((camera.orders * len(ORDERLETS), DEMO_SIDE))
        flux[:, 5::10] = 5000.0
        flux[change.get(camera.name, slice(0))] = 0
        spectra[camera.name] = ExtractedSpectra(flux, flux + 16.0)
    return spectra


@pytest.mark.parametrize(
    ("change", "zero"),
    [
        ({}, set()),
        # Orders 0 and 1 of the green camera have no lines of the real comb either
        ({"GREEN": slice(0, 10)}, set()),
        ({"GREEN": slice(25, 30)}, {"LFCLINES"}),
        ({"GREEN": slice(100, 101)}, {"LFCLINES", "LFCLINEP"}),
        ({"RED": slice(1, 2)}, {"LFCLINES", "LFCLINEP"}),
        ({"RED": slice(0, 1)}, set()),
    ],
)
def test_a_comb_needs_lines_in_every_order_that_is_all_on_the_ccd(
    change: dict[str, slice], zero: set[str]
) -> None:
    header = {
        "IMTYPE": "Arclamp", "OBJECT": "autocal-lfc-all-eve", "OCTAGON": "LFCFiber",
        "GREEN": "YES", "RED": "YES", "CA_HK": "YES", "DATE-OBS": "2024-01-15",
        "WLSFILE": "/masters/20240115/kpf_20240115_master_WLS_autocal-lfc-all-eve_L1.fits",
        "WLSFILE2": "/masters/20240115/kpf_20240115_master_WLS_autocal-lfc-all-morn_L1.fits",
        "AGEWLS": 0, "AGEWLS2": 0, "AGETRAC": 0, "AGELAMP": 0,
    }  # fmt: skip
    spectra = comb_spectra(**change)
    waves = {name: -np.arange(s.flux.size).reshape(s.flux.shape) for name, s in spectra.items()}
    differences = {name: np.zeros(s.flux.shape) for name, s in spectra.items()}
    found = values(qc_flags.flags_l1(header, spectra, waves, differences, "v2.12.1"))
    failed = {name for name, value in found.items() if value == 0} - {"ISGOOD"}
    assert failed == zero
    assert found["ISGOOD"] == (not zero)


@pytest.mark.parametrize(
    ("files", "date", "name", "good"),
    [
        (("20240115_a", "20240115_b"), "2024-01-15", "KPFSIM-1", True),
        (("20240115_a", "20240115_a"), "2024-01-15", "KPFSIM-1", False),
        (("20240115_a", "20240116_b"), "2024-01-15", "KPFSIM-1", False),
        (("20240115_a", "20240116_b"), "2024-01-15", "SoCal", True),
        (("20240115_a", "20240115_b"), "2024-01-15", "SoCal", False),
    ],
)
def test_the_two_wavelength_files_are_of_the_date(
    files: tuple[str, str], date: str, name: str, good: bool
) -> None:
    header = {
        "IMTYPE": "Object", "OBJECT": name, "SCI-OBJ": "Target", "DATE-OBS": date,
        "WLSFILE": f"kpf_{files[0]}.fits", "WLSFILE2": f"kpf_{files[1]}.fits",
        "GREEN": "YES", "RED": "YES", "CA_HK": "NO",
    }  # fmt: skip
    found = values(qc_flags.flags_l1(header, {}, {}, {}, "v2.9.1"))
    assert found["WLSL1"] == good


def test_measurements_that_a_version_does_not_write_are_left_out() -> None:
    cards = [("AGEBIAS", 0, ""), ("NANL1GSK", 0, ""), ("SNRSC548", 100.0, "")]
    kept = {tag: set(values(qc_cards.drop_unwritten("L1", tag, cards))) for tag in TAGS}
    assert kept["v2.8.2"] == {"SNRSC548"}
    assert kept["v2.9.1"] == {"SNRSC548", "AGEBIAS"}
    assert kept["v2.12.1"] == {"SNRSC548", "AGEBIAS", "NANL1GSK"}


def test_dark_current_is_text_per_hour_as_the_pipeline_writes_it(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, counts=NONE | {"dark": 1})
    with fits.open(ObsID(night.exposures[0].obsid).path(tmp_path, "L0")) as l0:
        frames: dict[str, ElectronFrame] = {
            camera.name: calibrate_frame(l0, camera, None) for camera in CAMERAS
        }
        found = values(qc_cards.cards_2d(l0, frames, {}, "v2.12.1"))
    assert isinstance(found["FLXREG1G"], str)
    assert found["GREENTRT"] == pytest.approx(46.8)
    assert found["READSPED"] == "regular"
    assert found["RNNGGR1"] == pytest.approx(1.0, abs=0.02)
    assert (found["GRNAMPS"], found["REDAMPS"]) == (2, 2)
