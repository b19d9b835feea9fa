"""SIMULATED reduced datasets in PypeIt's layout, to try out scorecards; never for science.

Headers and tables are as PypeIt 2 writes them, images are a few empty pixels. The masks are called
`simulated_...`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from kpfnb.core import atomic, settings
from kpfnb.demo import coadd_inputs
from kpfnb.demo.coadd_inputs import SLIT_FLAGS, SimulatedSlit

DATASETS_FOLDER = "simulated"
VERSION = "2.0.1"
SETUP = "keck_deimos_A"
MASKS = ("simulated_A", "simulated_B", "simulated_C")
FIRST_NIGHT = date(2015, 10, 16)
DETECTORS = ("MSC01", "MSC02", "MSC03")
PIXELS = 8

Detectors = Mapping[str, Sequence[SimulatedSlit]]


def simulate_datasets(root: Path | None = None, count: int = 5) -> Path:
    """Write `count` datasets, later ones slightly worse; existing ones stay unchanged.

    The last one has a frame that PypeIt could not reduce. Returns their directory, by default one
    in the work directory.
    """
    root = root or settings.load_settings().work_dir / DATASETS_FOLDER
    for number in range(count):
        mask = MASKS[number % len(MASKS)]
        night = FIRST_NIGHT + timedelta(days=47 * number)
        dataset = root / mask / "1200G_8800_OG550" / night.isoformat()
        if dataset.is_dir():
            continue
        exposures = {
            f"DE.{night:%Y%m%d}.{20000 + 1800 * exposure}.fits": {
                name: coadd_inputs.simulate_detector(
                    [number, exposure, position], worse=0.02 * number
                )
                for position, name in enumerate(DETECTORS)
            }
            for exposure in range(2)
        }
        lost = {f"DE.{night:%Y%m%d}.27200.fits"} if number == count - 1 else set()
        temporary = dataset.with_name(f"{atomic.TEMPORARY_PREFIX}{dataset.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        write_reduction(temporary / "complete/reduce", exposures, night=night, lost=lost)
        temporary.rename(dataset)
    return root


def write_reduction(
    reduce_folder: Path,
    exposures: Mapping[str, Detectors],
    *,
    night: date = FIRST_NIGHT,
    lost: set[str] | frozenset[str] = frozenset(),
) -> Path:
    """Write one reduction with these science frames and slits; its setup directory.

    lost : frames without products
    """
    setup = reduce_folder / SETUP
    (setup / "Science").mkdir(parents=True)
    names = [*exposures, *lost]
    atomic.write_text(setup / f"{SETUP}.pypeit", _pypeit_file(names))
    listed = ", ".join(str(number + 1) for number in range(_max_detectors(exposures)))
    atomic.write_text(setup / f"{SETUP}.log", _pypeit_log(listed, night))
    for file, detectors in exposures.items():
        stem = f"{file.removesuffix('.fits')}-mask_DEIMOS_{night:%Y%m%d}T060000.000"
        write_spec2d(setup / f"Science/spec2d_{stem}.fits", file, detectors)
        write_spec1d(setup / f"Science/spec1d_{stem}.fits", file, detectors)
        _write_qa_images(setup / "QA/PNGs", stem, detectors)
    _write_record(reduce_folder, names, night)
    return setup


def write_spec2d(path: Path, file: str, detectors: Detectors) -> None:
    """Write the spec2d file of one exposure."""
    hdus: list[Any] = []
    for name, slits in detectors.items():
        pixels = np.zeros((PIXELS, PIXELS), "f4")
        hdus += [fits.ImageHDU(pixels, name=f"{name}-{part}") for part in ("SCIIMG", "SKYMODEL")]
        hdus += [_slits_hdu(name, slits), _solution_hdu(name, slits), _flexure_hdu(name, slits)]
        chis = {"MED_CHIS": "median_chi", "STD_CHIS": "std_chi"}
        for part, measure in chis.items():
            values = np.array([getattr(slit, measure) for slit in slits], "f4")
            hdus.append(fits.ImageHDU(values, name=f"{name}-{part}"))
    primary = fits.PrimaryHDU()
    primary.header.update(
        {"FILENAME": file, "TARGET": "simulated", "PYP_SPEC": "keck_deimos", "VERSPYP": VERSION}
    )
    primary.header["HIERARCH ALLSPEC2D_DETS"] = ",".join(detectors)
    for number, hdu in enumerate(hdus):
        primary.header[f"EXT{number + 1:04d}"] = hdu.name
    fits.HDUList([primary, *hdus]).writeto(path)


def write_spec1d(path: Path, file: str, detectors: Detectors) -> None:
    """Write the spec1d file of one exposure."""
    primary = fits.PrimaryHDU()
    primary.header.update({"FILENAME": file, "TARGET": "simulated", "VERSPYP": VERSION})
    objects = [
        _object_hdu(name, slit, number, how)
        for name, slits in detectors.items()
        for slit in slits
        for number, how in enumerate(slit.objects)
    ]
    fits.HDUList([primary, *objects]).writeto(path)


def _slits_hdu(detector: str, slits: Sequence[SimulatedSlit]) -> fits.BinTableHDU:
    edges = np.array([[slit.number] * PIXELS for slit in slits], "f8")
    columns = [
        fits.Column("spat_id", "K", array=[slit.number for slit in slits]),
        fits.Column("left_init", f"{PIXELS}D", array=edges - 40),
        fits.Column("right_init", f"{PIXELS}D", array=edges + 40),
        fits.Column("mask", "I", array=[slit.mask for slit in slits]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=f"{detector}-SLITS")
    hdu.header.update({f"BIT{number:02}": name for number, name in enumerate(SLIT_FLAGS)})
    hdu.header["PYPELINE"] = "MultiSlit"
    return hdu


def _solution_hdu(detector: str, slits: Sequence[SimulatedSlit]) -> fits.BinTableHDU:
    columns = [
        fits.Column("SpatOrderID", "K", array=[slit.number for slit in slits]),
        fits.Column("IDs_Wave_cov(%)", "D", array=[slit.coverage for slit in slits]),
        fits.Column("RMS", "D", array=[slit.rms for slit in slits]),
    ]
    return fits.BinTableHDU.from_columns(columns, name=f"{detector}-WAVESOL")


def _flexure_hdu(detector: str, slits: Sequence[SimulatedSlit]) -> fits.BinTableHDU:
    columns = [
        fits.Column("spat_id", "K", array=[slit.number for slit in slits]),
        fits.Column("sci_spec_flexure", "D", array=[slit.flexure for slit in slits]),
    ]
    return fits.BinTableHDU.from_columns(columns, name=f"{detector}-SCI_SPEC_FLEXURE")


def _object_hdu(detector: str, slit: SimulatedSlit, number: int, how: str) -> fits.BinTableHDU:
    kind, _, designed = how.partition(":")
    names = {"optimal": ("OPT", "BOX"), "box": ("BOX",), "none": ()}[kind]
    columns = [fits.Column("TRACE_SPAT", "D", array=np.full(PIXELS, slit.number, "f8"))]
    columns += [fits.Column(f"{prefix}_COUNTS", "D", array=np.ones(PIXELS)) for prefix in names]
    name = f"SPAT{slit.number + 5 * number:04d}-SLIT{slit.number:04d}-{detector}"
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update({"DMODCLS": "SpecObj", "NAME": name, "DET": detector, "S2N": 5.0})
    hdu.header["WAVE_RMS"] = slit.rms
    hdu.header["HIERARCH FLEX_SHIFT_TOTAL"] = slit.flexure
    hdu.header["HIERARCH MASKDEF_EXTRACT"] = designed == "mask"
    return hdu


def _max_detectors(exposures: Mapping[str, Detectors]) -> int:
    return max((len(detectors) for detectors in exposures.values()), default=0)


def _pypeit_file(names: Sequence[str]) -> str:
    rows = "\n".join(f"  {name} | science | simulated | 1200.0 | -1" for name in sorted(names))
    return (
        "# Auto-generated PypeIt input file: SIMULATED by kpfnb\n\n[rdx]\n"
        "  spectrograph = keck_deimos\n\nsetup read\nSetup A:\n  dispname: 1200G\nsetup end\n\n"
        f"data read\n path simulated\n  filename | frametype | target | exptime | comb_id\n{rows}\n"
        "data end\n"
    )


def _pypeit_log(detectors: str, night: date) -> str:
    start = f"    INFO | {night} 12:00:00 | simulated.py:"
    return (
        f"{start}main:1 | SIMULATED by kpfnb\n{start}run:2 | Detectors to work on: [{detectors}]\n"
        f"{start}print_end_time:3 | Execution time: 1h 2m 3.50s\n"
    )


def _write_record(reduce_folder: Path, names: Sequence[str], night: date) -> None:
    step = {"name": f"run_pypeit {SETUP}", "peak_bytes": 21_000_000_000}
    record = {"outcome": "succeeded", "simulated": True, "started": f"{night}T12:00:00Z"}
    inputs = {"pypeit": VERSION, "frames": dict.fromkeys(names)}
    atomic.write_json(
        reduce_folder / "reduction.json", {**record, "inputs": inputs, "steps": [step]}
    )


def _write_qa_images(folder: Path, stem: str, detectors: Detectors) -> None:
    """Write plots of the wavelength solution and of the object's trace, for each poor slit."""
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    for name, slits in detectors.items():
        for slit in slits:
            if slit.rms < 0.4 and not slit.flags and slit.coverage > 60 and slit.std_chi < 1.6:
                continue
            ending = f"{name}_S{slit.number:04d}"
            for part in (f"Arc_1dfit_A_0_{ending}", f"{stem}_{ending}_obj_trace"):
                picture = Image.new("RGB", (420, 260), "white")
                pen = ImageDraw.Draw(picture)
                pen.rectangle((12, 12, 407, 247), outline="#888888")
                pen.text((30, 40), f"SIMULATED\n{part}\nRMS {slit.rms:.3f}", fill="#222222")
                picture.save(folder / f"{part}.png")
