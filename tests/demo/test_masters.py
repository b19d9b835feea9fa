"""The masters of the stand-in DRP have the names and contents of KPF's."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.demo import order_traces, stacks
from kpfnb.demo.instrument import CAMERAS, DEMO_SIDE, Echelle
from kpfnb.demo.master_files import STATE_FILE, NightMasters
from kpfnb.demo.night_masters import load_or_make_masters
from kpfnb.kpf.files.masters import MasterType, find_master_defect, list_masters
from tests.demo.conftest import of_kind

NIGHT = "20240115"


def master(root: Path, part: str) -> Path:
    return root / "masters" / NIGHT / f"kpf_{NIGHT}_{part}"


def test_every_type_of_master_is_there_and_complete(reduced: Path) -> None:
    names = list_masters(reduced, NIGHT)
    types = {name.type for name in names.values()}
    assert types == set(MasterType) - {MasterType.RECTIFICATION, MasterType.ETALON_MASK}
    assert {path.name: find_master_defect(path) for path in names} == {
        path.name: "" for path in names
    }
    objects = {name.object for name in names.values() if name.type is MasterType.WAVELENGTHS}
    assert objects == {"autocal-lfc-all-eve", "autocal-lfc-all-morn"}


def test_a_stack_names_what_went_into_it(reduced: Path) -> None:
    biases = [path.name for path in of_kind(reduced, "bias")]
    with fits.open(master(reduced, "master_bias_autocal-bias.fits")) as hdus:
        assert hdus[0].header["IMTYPE"] == "Bias"
        # As in the stacks that the real pipeline v2.12.1 made of simulated exposures
        images = ["GREEN_CCD", "RED_CCD", "CA_HK"]
        assert [hdu.name for hdu in hdus] == [
            *("PRIMARY", "RECEIPT", "CONFIG", *images),
            *(f"{name}_{part}" for name in images for part in ("UNC", "CNT")),
        ]
        types = [hdus[f"GREEN_CCD{part}"].data.dtype for part in ("", "_UNC", "_CNT")]
        assert [str(kind) for kind in types] == [">f8", ">f4", ">i4"]
        header = hdus["GREEN_CCD"].header
        assert header["NFRAMES"] == len(biases)
        assert list(header["INFL*"].values()) == biases
        assert header["MINMJD"] < header["MIDMJD"] < header["MAXMJD"]
        # Less than ten samples per pixel in all three detectors
        assert header["INFOBITS"] == 0b111
        noise = hdus["GREEN_CCD_UNC"].data
        assert np.median(noise) == pytest.approx(4 / np.sqrt(len(biases)), rel=0.1)


def test_the_dark_current_is_measured_above_the_bias(reduced: Path) -> None:
    with fits.open(master(reduced, "master_dark_autocal-dark.fits")) as hdus:
        assert np.median(hdus["RED_CCD"].data) * 3600 == pytest.approx(1.5, abs=0.5)
        assert abs(np.median(hdus["CA_HK"].data)) < 0.02


def test_the_flat_is_one_in_the_orders_and_names_the_bias(reduced: Path) -> None:
    with fits.open(master(reduced, "master_flat.fits")) as hdus:
        assert hdus[0].header["IMTYPE"] == "Flat"
        assert hdus["GREEN_CCD"].header["INPBIAS"].endswith("master_bias_autocal-bias.fits")
        lit = hdus["GREEN_CCD_LAMP"].data > 0.3 * hdus["GREEN_CCD_LAMP"].data.max()
        assert np.median(hdus["GREEN_CCD"].data[lit]) == pytest.approx(1, abs=0.01)


def test_the_spectra_of_the_smooth_lamp_have_wavelengths(reduced: Path) -> None:
    with fits.open(master(reduced, "smooth_lamp_L1.fits")) as hdus:
        assert hdus[0].header["IMTYPE"] == "Flat"
        flux, waves = hdus["RED_SCI_FLUX2"].data, hdus["RED_SCI_WAVE2"].data
        assert (np.diff(waves, axis=1) < 0).all()
        assert flux.max() > 10_000
        # Smooth: without the noise of photons
        assert np.abs(np.diff(flux, 2, axis=1)).max() < 0.002 * flux.max()


def test_order_traces_have_the_columns_of_the_pipelines(reduced: Path) -> None:
    path = master(reduced, "master_flat_RED_CCD.csv")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == [
        "", "Coeff0", "Coeff1", "Coeff2", "Coeff3", "BottomEdge", "TopEdge", "X1", "X2"
    ]  # fmt: skip
    # Before February 2024 the first SKY trace is not on the CCD
    assert len(rows) == 32 * 5
    state = json.loads((path.parent / STATE_FILE).read_text())
    heights = order_traces.read_traces(path, DEMO_SIDE, state["first_traces"]["RED"], NIGHT)
    later = order_traces.format_traces(heights, "20240204")
    assert len(later.splitlines()) == 1 + 32 * 5
    echelle = Echelle(CAMERAS[1], DEMO_SIDE)
    assert np.abs(heights - echelle.traces()).max() < 1.5
    with fits.open(master(reduced, "order_mask.fits")) as hdus:
        mask = hdus["RED_CCD"].data
    middle = np.rint(heights[:, DEMO_SIDE // 2]).astype(int)
    assert mask[middle, DEMO_SIDE // 2].tolist() == [1, 2, 3, 4, 5] * 32


def test_a_solution_has_the_wavelengths_of_its_session(reduced: Path) -> None:
    pair = [f"master_WLS_autocal-lfc-all-{session}_L1.fits" for session in ("eve", "morn")]
    waves = []
    for part in pair:
        with fits.open(master(reduced, part)) as hdus:
            assert hdus[0].header["IMTYPE"] == "Arclamp"
            waves.append(hdus["GREEN_SCI_WAVE2"].data)
    drift = 299792.458 * np.median(waves[1] / waves[0] - 1)
    assert 0.001 < abs(drift) < 0.2


def test_samples_far_from_the_others_are_left_out() -> None:
    images = [np.full((2, 2), value, np.float32) for value in (1, 2, 3)]
    images[2][0, 0] = 1000
    stack = stacks.stack_images(images, [np.full((2, 2), 4, np.float32)] * 3)
    assert stack.counts.tolist() == [[2, 3], [3, 3]]
    assert stack.image.tolist() == [[1.5, 2], [2, 2]]
    assert stack.uncertainty[0].tolist() == pytest.approx([np.sqrt(8) / 2, np.sqrt(12) / 3])


def test_masters_are_made_again_when_a_calibration_changes(unreduced: Path) -> None:
    first = load_or_make_masters(unreduced, NIGHT, frozenset(), "v2.9.1")
    assert first.tag == "v2.9.1"
    of_kind(unreduced, "thar")[0].unlink()
    second = load_or_make_masters(unreduced, NIGHT, frozenset(), "v2.12.1")
    assert second.tag == "v2.12.1"
    assert not [name for name in second.files if "thar" in name]


@pytest.mark.parametrize(
    ("time", "expected"), [(0, ("eve", "eve")), (5, ("eve", "morn")), (9, ("morn", "morn"))]
)
def test_the_solutions_before_and_after_an_exposure_are_found(
    time: float, expected: tuple[str, str]
) -> None:
    night = NightMasters(NIGHT, "v2.9.1", (), {"morn": 8.0, "eve": 2.0}, {})
    assert night.nearest_solutions(time) == expected
    assert NightMasters(NIGHT, "v2.9.1", (), {}, {}).nearest_solutions(time) == ("", "")
