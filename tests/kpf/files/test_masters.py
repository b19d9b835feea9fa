"""Names and contents of master calibrations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.kpf.files.masters import (
    MasterType,
    find_master_defect,
    list_masters,
    parse_master_name,
)

NIGHT = "20250122"
STACK = f"kpf_{NIGHT}_master_bias_autocal-bias.fits"


@pytest.mark.parametrize(
    ("name", "kind", "about", "level"),
    [
        # Names in the documentation, scripts and configurations of the KPF pipeline of v2.12
        ("kpf_20250122_master_bias_autocal-bias.fits", MasterType.BIAS, "autocal-bias", "2D"),
        ("kpf_20240223_master_dark_autocal-dark_L2.fits", MasterType.DARK, "autocal-dark", "L2"),
        (
            "kpf_20250122_master_arclamp_autocal-lfc-all-eve.fits",
            MasterType.ARCLAMP,
            "autocal-lfc-all-eve",
            "2D",
        ),
        (
            "kpf_20240126_master_arclamp_autocal-etalon-all-eve_L1.fits",
            MasterType.ARCLAMP,
            "autocal-etalon-all-eve",
            "L1",
        ),
        ("kpf_20240126_master_arclamp_slewcal_L1.fits", MasterType.ARCLAMP, "slewcal", "L1"),
        (
            "kpf_20240210_master_WLS_autocal-lfc-all-morn_L1.fits",
            MasterType.WAVELENGTHS,
            "autocal-lfc-all-morn",
            "L1",
        ),
        (
            "kpf_20230730_master_WLS_cal-LFC-eve_L1.fits",
            MasterType.WAVELENGTHS,
            "cal-LFC-eve",
            "L1",
        ),
        ("kpf_20240211_master_flat.fits", MasterType.FLAT, "", "2D"),
        ("kpf_20240211_master_flat_L1.fits", MasterType.FLAT, "", "L1"),
        ("kpf_20240211_master_flat_L2.fits", MasterType.FLAT, "", "L2"),
        ("kpf_20240211_master_flat_norect.fits", MasterType.RECTIFICATION, "norect", "2D"),
        ("kpf_20240211_master_flat_norect_L1.fits", MasterType.RECTIFICATION, "norect", "L1"),
        ("kpf_20240211_master_flat_GREEN_CCD.csv", MasterType.ORDER_TRACE, "GREEN_CCD", ""),
        ("kpf_20240225_master_flat_RED_CCD.csv", MasterType.ORDER_TRACE, "RED_CCD", ""),
        ("kpf_20230418_order_trace_RED_CCD.csv", MasterType.ORDER_TRACE, "RED_CCD", ""),
        ("kpf_20240211_order_mask.fits", MasterType.ORDER_MASK, "", "2D"),
        (
            "kpf_20240211_order_mask_untrimmed_made20240212.fits",
            MasterType.ORDER_MASK,
            "untrimmed_made20240212",
            "2D",
        ),
        ("kpf_20240929_smooth_lamp.fits", MasterType.SMOOTH_LAMP, "", "2D"),
        (
            "kpf_20240211_smooth_lamp_made20240212.fits",
            MasterType.SMOOTH_LAMP,
            "made20240212",
            "2D",
        ),
        # The real L1 KP.20240211.00048.69 has this name in the package rv-data-standard
        ("kpf_20240211_smooth_lamp_L1.fits", MasterType.SMOOTH_LAMP, "", "L1"),
        ("20240405_night_SCI2_etalon_wavelengths.csv", MasterType.ETALON_MASK, "night_SCI2", ""),
        ("20240405_eve_CAL_etalon_wavelengths.csv", MasterType.ETALON_MASK, "eve_CAL", ""),
        # Older nights
        ("kpf_20230730_master_bias.fits", MasterType.BIAS, "", "2D"),
        ("kpf_20230730_master_dark_L1.fits", MasterType.DARK, "", "L1"),
    ],
)
def test_a_name_says_what_a_master_is(name: str, kind: MasterType, about: str, level: str) -> None:
    parsed = parse_master_name(name)
    assert parsed is not None
    assert (parsed.name, parsed.type, parsed.object, parsed.level) == (name, kind, about, level)
    assert len(parsed.night) == 8


@pytest.mark.parametrize(
    "name",
    [
        "KP.20240211.00048.69_L1.fits",
        "kpf_20250122_master_bias_autocal-bias.fits.unfinished",
        ".kpf_20250122_master_bias_autocal-bias.fits.Ab12Cd",
        "kpf_2025_master_flat.fits",
        "kpf_20250122_master_flat_GREEN_CCD.txt",
        "kpf_20250122_master_blaze_x.fits",
        "pipeline_20250122.log",
        "",
    ],
)
def test_other_names_are_no_masters(name: str) -> None:
    assert parse_master_name(name) is None


@given(st.text(max_size=60))
def test_any_text_can_be_parsed(text: str) -> None:
    parsed = parse_master_name(f"kpf_20240101_master_{text}")
    assert parsed is None or parsed.night == "20240101"


def write_stack(path: Path, *, frames: int | None = 5, without: str = "") -> Path:
    hdus = [fits.PrimaryHDU()]
    for camera in ("GREEN_CCD", "RED_CCD"):
        for part in ("", "_UNC", "_CNT"):
            hdu = fits.ImageHDU(np.ones((4, 4), np.float32), name=camera + part)
            if not part and frames is not None:
                hdu.header["NFRAMES"] = frames
            if hdu.name != without:
                hdus.append(hdu)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        ({}, ""),
        ({"without": "GREEN_CCD_UNC"}, "no extension GREEN_CCD_UNC"),
        ({"without": "RED_CCD_CNT"}, "no extension RED_CCD_CNT"),
        # The pipeline leaves out a camera that was not used
        ({"without": "RED_CCD"}, ""),
        ({"frames": None}, "GREEN_CCD has no NFRAMES; RED_CCD has no NFRAMES"),
        ({"frames": 0}, "GREEN_CCD has NFRAMES = 0; RED_CCD has NFRAMES = 0"),
    ],
)
def test_a_stack_needs_its_parts(change: dict[str, object], defect: str, tmp_path: Path) -> None:
    path = write_stack(tmp_path / STACK, **change)  # type: ignore[arg-type]
    assert find_master_defect(path) == defect


def test_a_stack_without_any_camera_is_no_stack(tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / STACK)
    assert find_master_defect(tmp_path / STACK) == "no extension GREEN_CCD or RED_CCD"


def test_other_masters_have_to_be_complete_only(tmp_path: Path) -> None:
    path = tmp_path / f"kpf_{NIGHT}_master_WLS_autocal-lfc-all-eve_L1.fits"
    fits.PrimaryHDU(np.zeros(5000)).writeto(path)
    assert find_master_defect(path) == ""
    path.write_bytes(path.read_bytes()[:6000])
    assert find_master_defect(path) == "truncated"
    stack = write_stack(tmp_path / STACK)
    stack.write_bytes(stack.read_bytes()[:9000])
    assert find_master_defect(stack).startswith("truncated")


def test_a_csv_file_needs_a_row(tmp_path: Path) -> None:
    path = tmp_path / f"kpf_{NIGHT}_master_flat_GREEN_CCD.csv"
    assert find_master_defect(path) == "unreadable: No such file or directory"
    path.write_text("Coeff0,Coeff1\n")
    assert find_master_defect(path) == "no rows"
    path.write_text("Coeff0,Coeff1\n1,2\n")
    assert find_master_defect(path) == ""


def test_the_masters_of_a_night_are_listed(tmp_path: Path) -> None:
    directory = tmp_path / "masters" / NIGHT
    (directory / "masks").mkdir(parents=True)
    names = [
        f"kpf_{NIGHT}_master_flat.fits",
        f"kpf_{NIGHT}_smooth_lamp.fits",
        f"masks/{NIGHT}_eve_CAL_etalon_wavelengths.csv",
    ]
    for name in (*names, "pipeline.log"):
        (directory / name).touch()
    listed = list_masters(tmp_path, NIGHT)
    assert [path.relative_to(directory).as_posix() for path in listed] == names
    assert list_masters(tmp_path, "20250123") == {}
