"""Writing the masters of the stand-in DRP, by the names and extensions of KPF's.

The stand-in's own data are in extensions that begin with SIM, and in the state file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.core import atomic
from kpfnb.demo import order_traces, stacks
from kpfnb.demo.detector import CCDImage
from kpfnb.demo.instrument import Array
from kpfnb.demo.master_files import STATE_FILE, MasterSpectra, WavelengthMaster
from kpfnb.demo.products import (
    ProductProvenance,
    barycentric_columns,
    make_l1_hdus,
    make_record_hdus,
)
from kpfnb.demo.stacks import ImageStack, StackKind, StackSource

if TYPE_CHECKING:
    from astropy.io import fits


class MasterFolder:
    """Writes the masters of a night; the state file is last."""

    def __init__(self, folder: Path, night: str, key: str, tag: str) -> None:
        self.folder, self.night, self.key, self.tag = folder, night, key, tag
        self.provenance = ProductProvenance(tag, "none", "none")
        self.written: list[str] = []
        self.solutions: dict[str, float] = {}
        self.first_traces: dict[str, list[float]] = {}

    def write_stack(
        self,
        part: str,
        kind: StackKind,
        images: Mapping[str, ImageStack],
        source: StackSource,
        *,
        extra: Mapping[str, str | float] | None = None,
    ) -> None:
        """Write a stack: images, uncertainties and numbers of samples."""
        hdus = stacks.stack_hdus(kind, images, source, extra)
        self._write(f"{part}.fits", kind, source, [*self._records(), *hdus])

    def write_flat(
        self,
        images: Mapping[str, ImageStack],
        patterns: Mapping[str, CCDImage],
        source: StackSource,
    ) -> None:
        """Write the flat (the stack divided by the smooth lamp), and the smooth lamp."""
        from astropy.io import fits

        seconds = np.float32(source.header["EXPTIME"])
        flats, more, lamps = {}, [], []
        for camera, pattern in patterns.items():
            name, stack = f"{camera}_CCD", images[f"{camera}_CCD"]
            is_lit = pattern > 0.01 * pattern.max()
            divisor = np.where(is_lit, pattern, 1)
            flats[name] = ImageStack(
                np.where(is_lit, stack.image / divisor, 1).astype(np.float32),
                np.where(is_lit, stack.uncertainty / divisor, 0).astype(np.float32),
                stack.counts,
                stack.frames,
            )
            more.append(fits.ImageHDU(stack.image / seconds, name=f"{name}_STACK"))
            more.append(fits.ImageHDU(pattern / seconds, name=f"{name}_LAMP"))
            lamps.append(fits.ImageHDU(pattern / seconds, name=name))
        extra = self.inputs("INPBIAS", "INPDARK")
        hdus = stacks.stack_hdus(stacks.FLAT, flats, source, extra)
        self._write("master_flat.fits", stacks.FLAT, source, [*self._records(), *hdus, *more])
        self._write("smooth_lamp.fits", stacks.FLAT, source, lamps)

    def write_traces(self, traces: Mapping[str, Array], source: StackSource) -> None:
        """Write the order traces of each camera, and the mask of all orderlets."""
        from astropy.io import fits

        masks = []
        for camera, heights in traces.items():
            path = self.folder / f"kpf_{self.night}_master_flat_{camera}_CCD.csv"
            atomic.write_text(path, order_traces.format_traces(heights, self.night))
            self.written.append(path.name)
            self.first_traces[camera] = order_traces.first_trace(heights)
            masks.append(fits.ImageHDU(order_traces.order_mask(heights), name=f"{camera}_CCD"))
        self._write("order_mask.fits", stacks.FLAT, source, masks)

    def write_spectra(
        self, part: str, kind: StackKind, master: MasterSpectra, source: StackSource
    ) -> None:
        """Write the L1 of a master."""
        self._write(f"{part}_L1.fits", kind, source, self._l1_hdus(master, source))

    def write_wavelengths(
        self,
        name: str,
        master: MasterSpectra,
        solutions: Mapping[str, WavelengthMaster],
        source: StackSource,
    ) -> None:
        """Write the wavelength solution of the exposures with an OBJECT."""
        hdus = self._l1_hdus(master, source)
        for camera, solution in solutions.items():
            hdus += _solution_hdus(camera, solution)
        self._write(f"master_WLS_{name}_L1.fits", stacks.ARCLAMP, source, hdus)
        time = stacks.mjd_time(stacks.middle_mjd(source)).timestamp()
        self.solutions[self.written[-1]] = time

    def inputs(self, *keywords: str) -> dict[str, str | float]:
        """The cards with the masters that a stack was calibrated with."""
        parts = {
            "INPBIAS": "master_bias_autocal-bias.fits",
            "INPDARK": "master_dark_autocal-dark.fits",
            "INPFLAT": "master_flat.fits",
        }
        names = {keyword: f"kpf_{self.night}_{parts[keyword]}" for keyword in keywords}
        return {keyword: name for keyword, name in names.items() if name in self.written}

    def write_state(self) -> None:
        """Complete the set."""
        state = {
            "key": self.key,
            "tag": self.tag,
            "files": self.written,
            "solutions": self.solutions,
            "first_traces": self.first_traces,
        }
        atomic.write_text(self.folder / STATE_FILE, json.dumps(state, indent=1))

    def _l1_hdus(self, master: MasterSpectra, source: StackSource) -> list[Any]:
        from astropy.io import fits

        # The telemetry of a master is a table without columns, as in the real ones
        telemetry = fits.BinTableHDU(name="TELEMETRY")
        middle = stacks.middle_mjd(source)
        barycentre = barycentric_columns(stacks.mjd_time(middle), middle + 2400000.5, 0.0)
        hdus = make_l1_hdus(telemetry, master.spectra, master.waves, {}, barycentre)
        return [*self._records("L1"), *hdus]

    def _records(self, level: str = "2D") -> list[Any]:
        return make_record_hdus(self.provenance, level, ["stack"])

    def _write(self, part: str, kind: StackKind, source: StackSource, hdus: list[Any]) -> None:
        from astropy.io import fits

        path = self.folder / f"kpf_{self.night}_{part}"
        header = stacks.master_header(kind, source, self.tag, self.key)
        with atomic.replace_atomically(path) as temporary:
            all_hdus = fits.HDUList([fits.PrimaryHDU(header=header), *hdus])
            all_hdus.writeto(temporary, overwrite=True)
        self.written.append(path.name)


def _solution_hdus(camera: str, solution: WavelengthMaster) -> list[fits.ImageHDU]:
    from astropy.io import fits

    etalon = solution.etalon
    arrays: dict[str, np.ndarray] = {
        "SOLUTION": solution.displacement,
        "DRIFT": np.array([solution.times, solution.drifts]),
    }
    if etalon:
        columns = (etalon.rows, etalon.lines, etalon.nominal, etalon.measured, etalon.errors)
        arrays["ETALON"] = np.array(columns)
    hdus = [fits.ImageHDU(array, name=f"SIM_{camera}_{part}") for part, array in arrays.items()]
    hdus[0].header["SIMLAMP"] = (solution.lamp, "what calibrated the wavelengths")
    hdus[0].header["SIMETADR"] = (solution.etalon_drift, "[pixel] drift when etalon was seen")
    return hdus
