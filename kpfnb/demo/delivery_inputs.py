"""SIMULATED reduced and coadded datasets of DEIMOS, to try out deliveries; never for science.

They have the names, directories and headers of PypeIt's products, with a few numbers as spectra.
The same call writes the same bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from kpfnb.adap.products import dataset
from kpfnb.core import atomic, settings

DATASETS = (
    "SIM1/1200G_7500_OG550/2011-04-02",
    "SIM1/1200G_7500_OG550/2011-05-03_2011-05-04",
    "SIM2/600ZD_6800_GG400/2012-01-20",
)
FOLDER, SIMULATED_WORD = "simulated_deliverable", "SIMULATED"
SETUP = "keck_deimos_A"
OBJECTS = ("SPAT0287-SLIT0284-DET01", "SPAT0512-SLIT0520-DET01")
SECONDS = 1200
DAY_SECONDS = 86400
FIRST_SECOND = 20600
PIXELS = 64
MJD_1858 = date(1858, 11, 17)
REPORT = """\
|filename|pypeit_name|det|s2n|wave_rms|spec1d_filename|
|char|char|char|double|double|char|
"""


@dataclass(frozen=True)
class DeliveryExposure:
    """One science exposure of a dataset."""

    night: date
    target: str
    number: int

    @property
    def koaid(self) -> str:
        """The raw frame's name in the Keck Observatory Archive (KOA)."""
        second = FIRST_SECOND + self.number * (SECONDS + 100)
        return f"DE.{self.night:%Y%m%d}.{second:05d}"

    @property
    def stem(self) -> str:
        """The common part of the names of its products."""
        second = FIRST_SECOND + self.number * (SECONDS + 100)
        clock = f"{second // 3600:02d}{second % 3600 // 60:02d}{second % 60:02d}"
        return f"{self.koaid}-{self.target}_DEIMOS_{self.night:%Y%m%d}T{clock}.000"

    def cards(self, name: dataset.Dataset) -> dict[str, Any]:
        """The primary header of its products."""
        second = FIRST_SECOND + self.number * (SECONDS + 100)
        return {
            "RA": 201.1 + self.number / 1000,
            "DEC": 27.2,
            "TARGET": self.target,
            "DISPNAME": name.config.partition("_")[0],
            "DECKER": name.mask,
            "BINNING": "1,1",
            "MJD": (self.night - MJD_1858).days + second / DAY_SECONDS,
            "AIRMASS": 1.05 + self.number / 100,
            "EXPTIME": float(SECONDS),
            "KOAID": f"{self.koaid}.fits",
            "PROGPI": "SIMULATED",
            "SEMESTER": f"{self.night:%Y}A",
            "PROGID": "U999",
            "FILENAME": f"{self.koaid}.fits",
            "PYP_SPEC": "keck_deimos",
        }


def resolve_source(named: str) -> str:
    """The given source; for `SIMULATED`, datasets that are written to the work directory."""
    if named != SIMULATED_WORD:
        return named
    root = settings.load_settings().work_dir / FOLDER
    make_datasets(root)
    return str(root)


def make_datasets(root: Path, names: Sequence[str] = DATASETS, *, exposures: int = 2) -> list[Path]:
    """Write reduced datasets with coadds below `root`, unless they exist; their directories.

    exposures : number of science exposures per dataset
    """
    folders = [root / name for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not folder.exists():
            _make_dataset(folder, dataset.parse_dataset(name), exposures)
    return folders


def _make_dataset(folder: Path, name: dataset.Dataset, count: int) -> None:
    # A dataset that exists is complete
    building = folder.with_name(f".{folder.name}.building")
    nights = [
        name.first + timedelta((name.last - name.first).days * n // count) for n in range(count)
    ]
    exposures = [
        DeliveryExposure(night, f"{name.mask}t", number) for number, night in enumerate(nights)
    ]
    reduction = building / dataset.COMPLETE / "reduce"
    for exposure in exposures:
        _write_products(reduction / SETUP, name, exposure)
    _write_companions(reduction / SETUP)
    atomic.write_json(reduction / "reduction.json", {"outcome": "succeeded", "simulated": True})
    _write_coadds(building / dataset.COMPLETE, exposures)
    building.rename(folder)


def _write_products(setup: Path, name: dataset.Dataset, exposure: DeliveryExposure) -> None:
    header = fits.Header(exposure.cards(name))
    science = setup / "Science"
    spectra = [_spectrum_hdu(name_1d, number, "SpecObj") for number, name_1d in enumerate(OBJECTS)]
    header_1d = fits.Header({**header, "DMODCLS": "SpecObjs", "NSPEC": len(OBJECTS)})
    _write_fits(science / f"spec1d_{exposure.stem}.fits", header_1d, spectra)
    atomic.write_text(science / f"spec1d_{exposure.stem}.txt", "| slit | name | SIMULATED |\n")
    image = fits.ImageHDU(_noise_image(exposure.number, PIXELS), name="DET01-SCIIMG")
    image.header["DMODCLS"] = "Spec2DObj"
    header["HIERARCH ALLSPEC2D_DETS"] = "DET01"
    _write_fits(science / f"spec2d_{exposure.stem}.fits", header, [image])


def _spectrum_hdu(name: str, number: int, model: str) -> fits.BinTableHDU:
    wavelength = np.linspace(6000.0, 9000.0, PIXELS)
    columns = [
        fits.Column("OPT_WAVE", "D", array=wavelength),
        fits.Column("OPT_COUNTS", "D", array=100 + 10 * np.sin(wavelength / 50 + number)),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    cards = {"DMODCLS": model, "NAME": name, "DET": "DET01", "RA": 201.1 + number / 100}
    cards |= {"DEC": 27.2, "S2N": 12.3456 + number, "WAVE_RMS": 0.08765, "MASKDEF_ID": 900 + number}
    cards |= {"MASKDEF_OBJNAME": f"sim_{number}", "MASKDEF_EXTRACT": False}
    for key, value in cards.items():
        hdu.header[f"HIERARCH {key}" if len(key) > 8 else key] = value
    return hdu


def _write_companions(setup: Path) -> None:
    """Write the other files of PypeIt and kpfnb beside the products."""
    texts = {".pypeit": "# SIMULATED reduction file\n", ".log": "SIMULATED: Execution time: 1 s\n"}
    texts |= {".calib": "A: {}\n", "_UTC_2026-01-01.par": "[rdx]\n    spectrograph = keck_deimos\n"}
    for ending, text in texts.items():
        atomic.write_text(setup / f"{SETUP}{ending}", text)
    calibration = fits.BinTableHDU.from_columns([fits.Column("WAVE", "D", array=np.arange(4.0))])
    calibration.header["DMODCLS"] = "WaveCalib"
    _write_fits(setup / "Calibrations/WaveCalib_A_0_DET01.fits", fits.Header(), [calibration])
    with tarfile.open(setup / "QA.tar.gz", "w:gz") as packed:
        picture = tarfile.TarInfo("QA/PNGs/simulated.png")
        packed.addfile(picture, io.BytesIO())
    _zero_gzip_time(setup / "QA.tar.gz")


def _write_coadds(complete: Path, exposures: Sequence[DeliveryExposure]) -> None:
    ends = f"{exposures[0].koaid}-{exposures[-1].koaid}-{exposures[0].target}"
    stack = fits.ImageHDU(_noise_image(0, PIXELS), name="DET01-SCIIMG")
    stack.header["DMODCLS"] = "Spec2DObj"
    _write_fits(complete / f"2D_Coadd/Science_coadd/spec2d_{ends}.fits", fits.Header(), [stack])
    lines = [REPORT]
    for number, name in enumerate(OBJECTS):
        file = f"J132424.0{number}+271212.0_DEIMOS_{exposures[0].night:%Y%m%d}.fits"
        _write_fits(
            complete / "1D_Coadd" / file, fits.Header(), [_spectrum_hdu(name, number, "OneSpec")]
        )
        lines += [f" {file} {name} DET01 12.35 0.088 spec1d_{e.stem}.fits\n" for e in exposures]
    atomic.write_text(complete / "1D_Coadd/collate_report.dat", _align_table(lines))
    atomic.write_text(complete / "1D_Coadd/collate1d.par", "[collate1d]\n    tolerance = 1.0\n")


def _align_table(lines: Sequence[str]) -> str:
    """An IPAC table with aligned columns."""
    heads = [line.strip("|").split("|") for line in lines[0].splitlines()]
    rows = [line.split() for line in lines[1:]]
    widths = [max(map(len, column)) for column in zip(*heads, *rows, strict=True)]
    shown = ["|" + "|".join(map(str.ljust, head, widths)) + "|" for head in heads]
    shown += [" " + " ".join(map(str.ljust, row, widths)) for row in rows]
    return "\n".join(shown) + "\n"


def _noise_image(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (size, size)).astype("f4")


def _write_fits(path: Path, header: fits.Header, extensions: Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replace_atomically(path) as temporary:
        fits.HDUList([fits.PrimaryHDU(header=header), *extensions]).writeto(
            temporary, overwrite=True
        )


def _zero_gzip_time(path: Path) -> None:
    """Set the time in a gzip file's header to zero, so that the same call writes the same bytes."""
    content = bytearray(path.read_bytes())
    content[4:8] = bytes(4)
    path.write_bytes(bytes(content))
