"""Making the masters of a night in the stand-in DRP: stacks, orders, blaze and wavelengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kpfnb.demo import order_traces, spectra, stacks, wavelengths
from kpfnb.demo.calibration_frames import KindStacks, read_calibrated_frame, stack_kind
from kpfnb.demo.detector import CCDImage, paint_footprint
from kpfnb.demo.extraction import (
    ExtractedSpectra,
    extract_spectra,
    normalize_blaze,
    smooth_flat,
    trace_orders,
)
from kpfnb.demo.instrument import CAMERAS, Array, Camera, Echelle
from kpfnb.demo.master_files import CameraMaster, MasterSpectra, WavelengthMaster
from kpfnb.demo.master_writing import MasterFolder
from kpfnb.demo.masters import CAL_ORDERLET, CalibrationExposure, night_footprint
from kpfnb.demo.stacks import StackSource

LAMPS = {"lfc": spectra.comb_lines, "thar": spectra.thorium_lines}
"""The lamps that can calibrate wavelengths, best first."""


def make_masters(
    folder: Path, night: str, key: str, calibrations: Sequence[CalibrationExposure], tag: str
) -> None:
    """Stack the calibrations of each kind, measure orders, blaze and wavelengths, write the files.

    The state file that completes the set is last.
    """
    files = MasterFolder(folder, night, key, tag)
    masters = {camera.name: CameraMaster() for camera in CAMERAS}
    ca_hk_bias = _make_bias(files, _of_kind(calibrations, "bias"), masters)
    _make_dark(files, _of_kind(calibrations, "dark"), masters, ca_hk_bias)
    lamp = _make_flat(files, _of_kind(calibrations, "flat"), masters)
    solutions = {}
    if all(master.heights is not None for master in masters.values()):
        solutions = _make_wavelengths(files, calibrations, masters)
    if lamp:
        spectra_of_lamp = MasterSpectra(
            lamp.spectra, _session_waves(lamp.source, masters, solutions)
        )
        files.write_spectra("smooth_lamp", stacks.FLAT, spectra_of_lamp, lamp.source)
    files.write_state()


class _SmoothLamp(NamedTuple):
    """The smoothed spectra of the flats, by camera."""

    spectra: dict[str, ExtractedSpectra]
    source: StackSource


def _make_bias(
    files: MasterFolder, biases: list[CalibrationExposure], masters: dict[str, CameraMaster]
) -> CCDImage | float:
    """The bias of the CCDs; that of the Ca H&K detector is returned, 0 without one."""
    stacked = stack_kind(biases, {}, ca_hk_level=0.0)
    if not stacked:
        return 0.0
    files.write_stack("master_bias_autocal-bias", stacks.BIAS, stacked.stacks, stacked.source)
    for camera in CAMERAS:
        if stack := stacked.stacks.get(f"{camera.name}_CCD"):
            masters[camera.name] = masters[camera.name].with_values(bias=stack.image)
    ca_hk = stacked.stacks.get("CA_HK")
    return ca_hk.image if ca_hk else 0.0


def _make_dark(
    files: MasterFolder,
    darks: list[CalibrationExposure],
    masters: dict[str, CameraMaster],
    ca_hk_bias: CCDImage | float,
) -> None:
    stacked = stack_kind(darks, masters, ca_hk_bias)
    if not stacked:
        return
    seconds = float(stacked.source.header["EXPTIME"])
    rates = {name: stack.scaled(1 / seconds) for name, stack in stacked.stacks.items()}
    extra = {"MINEXPTM": seconds, **files.inputs("INPBIAS")}
    files.write_stack("master_dark_autocal-dark", stacks.DARK, rates, stacked.source, extra=extra)
    for camera in CAMERAS:
        if stack := rates.get(f"{camera.name}_CCD"):
            masters[camera.name] = masters[camera.name].with_values(dark=stack.image)


def _make_flat(
    files: MasterFolder, flats: list[CalibrationExposure], masters: dict[str, CameraMaster]
) -> _SmoothLamp | None:
    """The flat, the smooth lamp, the order traces and their mask; the spectra are returned."""
    stacked = stack_kind(flats, masters)
    if not stacked:
        return None
    lamps: dict[str, ExtractedSpectra] = {}
    patterns: dict[str, CCDImage] = {}
    for camera in CAMERAS:
        frame = stacked.frame(camera)
        if frame is None:
            continue
        heights = order_traces.round_traces(trace_orders(frame))
        master = masters[camera.name].with_values(heights=heights)
        footprint = night_footprint(camera, master)
        lamp = smooth_flat(extract_spectra(frame, footprint))
        lamps[camera.name] = ExtractedSpectra(lamp, np.maximum(lamp, 1.0))
        patterns[camera.name] = paint_footprint(footprint, lamp)
        masters[camera.name] = master.with_values(blaze=normalize_blaze(lamp))
    traces = {name: m.heights for name, m in masters.items() if m.heights is not None}
    files.write_flat(stacked.stacks, patterns, stacked.source)
    files.write_traces(traces, stacked.source)
    return _SmoothLamp(lamps, stacked.source)


def _make_wavelengths(
    files: MasterFolder,
    calibrations: Sequence[CalibrationExposure],
    masters: dict[str, CameraMaster],
) -> dict[str, WavelengthMaster]:
    """Stacks and spectra of the lamps by OBJECT, and the wavelength solutions of the best lamp."""
    lamp = next((lamp for lamp in LAMPS if _of_kind(calibrations, lamp)), None)
    solutions = {
        camera.name: solution
        for camera in CAMERAS
        if lamp
        and (solution := _wavelength_master(camera, masters[camera.name], lamp, calibrations))
    }
    lit = [c for c in calibrations if c.kind in (*LAMPS, "etalon")]
    for name in dict.fromkeys(calibration.object for calibration in lit):
        session = [calibration for calibration in lit if calibration.object == name]
        stacked = stack_kind(session, masters)
        if not stacked:
            continue
        extra = {"TARGOBJ": name, **files.inputs("INPBIAS", "INPDARK", "INPFLAT")}
        files.write_stack(
            f"master_arclamp_{name}", stacks.ARCLAMP, stacked.stacks, stacked.source, extra=extra
        )
        extracted = _extract_stack(stacked, masters, solutions)
        files.write_spectra(f"master_arclamp_{name}", stacks.ARCLAMP, extracted, stacked.source)
        if session[0].kind == lamp and solutions:
            files.write_wavelengths(name, extracted, solutions, stacked.source)
    return solutions


def _extract_stack(
    stacked: KindStacks,
    masters: Mapping[str, CameraMaster],
    solutions: Mapping[str, WavelengthMaster],
) -> MasterSpectra:
    """The spectra of a stack, and the wavelengths at the middle of its exposures."""
    extracted = {}
    for camera in CAMERAS:
        frame = stacked.frame(camera)
        if frame:
            footprint = night_footprint(camera, masters[camera.name])
            extracted[camera.name] = extract_spectra(frame, footprint)
    return MasterSpectra(extracted, _session_waves(stacked.source, masters, solutions))


def _session_waves(
    source: StackSource,
    masters: Mapping[str, CameraMaster],
    solutions: Mapping[str, WavelengthMaster],
) -> dict[str, Array]:
    """The wavelengths at the middle of some exposures, by camera."""
    at = stacks.mjd_time(stacks.middle_mjd(source)).timestamp()
    return {
        camera.name: wavelengths.row_wavelengths(
            Echelle(camera, masters[camera.name].side),
            solution.displacement,
            float(np.interp(at, solution.times, solution.drifts)),
        )
        for camera in CAMERAS
        if (solution := solutions.get(camera.name))
    }


def _of_kind(calibrations: Sequence[CalibrationExposure], kind: str) -> list[CalibrationExposure]:
    return [calibration for calibration in calibrations if calibration.kind == kind]


def _wavelength_master(
    camera: Camera,
    master: CameraMaster,
    lamp: str,
    calibrations: Sequence[CalibrationExposure],
) -> WavelengthMaster | None:
    """The solution from the exposures of a lamp, its drift in time, and the etalon lines."""
    side = master.side
    measured = [
        (exposure, _locate_lines(camera, master, exposure, LAMPS[lamp](side)))
        for exposure in _of_kind(calibrations, lamp)
    ]
    exposures = [exposure for exposure, lines in measured if lines]
    lines = [lines for _, lines in measured if lines]
    if not lines:
        return None
    drifts = np.array(
        [0.0, *(wavelengths.measure_drift(later, lines[0])[0] for later in lines[1:])]
    )
    echelle = Echelle(camera, side)
    solutions = np.array(
        [wavelengths.solve_displacement(echelle, centroids) for centroids in lines]
    )
    solutions[:, :, 0] -= drifts[:, None]
    times = np.array([exposure.middle.timestamp() for exposure in exposures])
    solution = WavelengthMaster(lamp, solutions.mean(axis=0), times, drifts, None, 0.0)
    return _with_etalon(camera, master, solution, _of_kind(calibrations, "etalon"))


def _with_etalon(
    camera: Camera,
    master: CameraMaster,
    solution: WavelengthMaster,
    etalons: list[CalibrationExposure],
) -> WavelengthMaster:
    """Add the etalon lines of the exposure nearest in time to a lamp exposure."""
    if not etalons:
        return solution

    def distance(etalon: CalibrationExposure) -> float:
        return float(np.abs(solution.times - etalon.middle.timestamp()).min())

    nearest = min(etalons, key=distance)
    peaks = spectra.etalon_lines(master.side)
    lines = _locate_lines(camera, master, nearest, peaks, orderlet=CAL_ORDERLET)
    drift = np.interp(nearest.middle.timestamp(), solution.times, solution.drifts)
    return solution.with_etalon(lines, float(drift))


def _locate_lines(
    camera: Camera,
    master: CameraMaster,
    calibration: CalibrationExposure,
    lines: spectra.LineList,
    orderlet: int | None = None,
) -> wavelengths.LineCentroids | None:
    frame = read_calibrated_frame(camera, master, calibration)
    if frame is None or master.blaze is None:
        return None
    extracted = extract_spectra(frame, night_footprint(camera, master))
    return wavelengths.locate_lines(
        frame.echelle, extracted, master.blaze, lines, orderlet=orderlet
    )
