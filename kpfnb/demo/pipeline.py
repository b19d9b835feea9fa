"""The stand-in DRP: observations are reduced from L0 to 2D, L1 and L2, several in parallel."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.compute.processes import die_with_parent
from kpfnb.demo import detector, products, qc_cards
from kpfnb.demo.instrument import CAMERAS, Array, Camera, Echelle
from kpfnb.demo.l2_table import VelocityTable
from kpfnb.demo.observation import L0Observation, ancillary_cards_2d, ancillary_cards_l1
from kpfnb.demo.products import ProductProvenance

if TYPE_CHECKING:
    from astropy.io import fits


@dataclass(frozen=True)
class ReductionJob:
    """One file to reduce, and the number of levels to write."""

    path: Path
    provenance: ProductProvenance
    levels: int = 3


@dataclass(frozen=True)
class ReducedFile:
    """The result of a file: the names of its products, and the error (empty if it succeeded)."""

    path: Path
    products: tuple[str, ...]
    error: str
    seconds: float


def reduce_files(jobs: list[ReductionJob], *, processes: int) -> Iterator[ReducedFile]:
    """Reduce files in parallel, yielding results as they finish; a failure stops no other file."""
    if processes == 1 or len(jobs) == 1:
        yield from map(reduce_file, jobs)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        min(processes, len(jobs)), context, die_with_parent, (signal.SIGKILL,)
    ) as pool:
        futures = {pool.submit(reduce_file, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield ReducedFile(futures[future].path, (), "a worker process was killed", 0.0)


def reduce_file(job: ReductionJob) -> ReducedFile:
    """Reduce one file; any exception is recorded in the result."""
    start = time.monotonic()
    written: list[str] = []
    try:
        for product in islice(reduce_observation(job.path, job.provenance), job.levels):
            written.append(product.name)
        error = "" if job.levels == 3 else f"recipe failed after {job.levels} levels (as asked)"
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    return ReducedFile(job.path, tuple(written), error, time.monotonic() - start)


def reduce_observation(path: Path, provenance: ProductProvenance) -> Iterator[Path]:
    """Reduce one L0, yielding the path of each product when it is written.

    There is always a 2D, an L1 if a camera was used, and an L2 if there was light, too.
    """
    from astropy.io import fits

    with fits.open(path, memmap=False) as l0:
        observation = L0Observation(path, l0)
        header = _write_2d(observation, provenance)
        yield observation.obsid.path(observation.root, "2D")
        if not observation.cameras:
            return
        header = _write_l1(observation, header, provenance)
        yield observation.obsid.path(observation.root, "L1")
        if not observation.is_dark:
            _write_l2(observation, header, provenance)
            yield observation.obsid.path(observation.root, "L2")


def _write_2d(observation: L0Observation, provenance: ProductProvenance) -> fits.Header:
    l0 = observation.l0
    amplifiers = {hdu.name: hdu.data for hdu in l0 if "_AMP" in hdu.name}
    ca_hk = l0["CA_HK"].data if "CA_HK" in l0 else None
    night_masters = observation.masters
    heights = {
        name: master.heights
        for name, master in night_masters.cameras.items()
        if master.heights is not None
    }
    is_junk = observation.obsid.text in observation.junk_obsids
    has_bias = any(master.bias is not None for master in night_masters.cameras.values())
    cards = [
        *qc_cards.version_cards("2D", provenance.tag),
        *qc_cards.cards_2d(amplifiers, observation.frames, heights, ca_hk, is_junk),
        *ancillary_cards_2d(l0, observation.cameras, heights),
        ("READSPED", "fast" if "GREEN_AMP3" in l0 else "regular", "read speed"),
        ("BIASFILE", night_masters.file_name("bias"), "master bias"),
        ("BIASDIR", f"masters/{night_masters.night}", "where it is"),
        ("BIASDONE", int(has_bias and not observation.is_bias), "bias subtracted"),
        ("FLATFILE", night_masters.file_name("flat"), "master flat"),
        ("FLATDIR", f"masters/{night_masters.night}", "where it is"),
        ("AGEBIAS", 0.0, "[d] age of the master bias"),
        ("AGEFLAT", 0.0, "[d] age of the master flat"),
        ("FLATDONE", 0, "flat divided (the blaze is kept for L1)"),
        ("DARKDONE", 0, "dark subtracted (there is next to none)"),
        ("DRPTAGMB", provenance.tag, "version that made the master bias"),
        ("DRPTAGMF", provenance.tag, "version that made the master flat"),
    ]
    header = products.extend_header(observation.header, cards)
    steps = ["overscan_subtract", "bias_subtract", "assemble"]
    path = observation.obsid.path(observation.root, "2D")
    hdus = products.make_2d_hdus(l0, observation.frames)
    products.write_product(path, header, "2D", provenance, steps, hdus)
    return header


def _write_l1(
    observation: L0Observation, header: fits.Header, provenance: ProductProvenance
) -> fits.Header:
    waves = {camera.name: observation.wavelengths(camera) for camera in observation.cameras}
    differences = {
        camera.name: _differences_in_pixels(observation, camera, waves[camera.name])
        for camera in observation.cameras
    }
    night_masters = observation.masters
    used = {"WLSFILE": night_masters.file_name("WLS"), "WLSFILE2": night_masters.file_name("WLS")}
    used |= {"STATWREF": "nominal format", "TRACFILE": night_masters.file_name("flat")}
    cards = [
        *qc_cards.version_cards("L1", provenance.tag),
        *qc_cards.cards_l1(header, observation.spectra, differences, used),
        *ancillary_cards_l1(observation.l0),
    ]
    header = products.extend_header(header, cards)
    hdus = products.make_l1_hdus(
        observation.l0["TELEMETRY"],
        observation.spectra,
        waves,
        _ca_hk_spectra(observation.l0),
        _barycentric_table(observation),
    )
    steps = ["order_trace", "spectral_extraction", "wavelength_cal", "barycentric_correction"]
    path = observation.obsid.path(observation.root, "L1")
    products.write_product(path, header, 1, provenance, steps, hdus)
    return header


def _write_l2(
    observation: L0Observation, header: fits.Header, provenance: ProductProvenance
) -> None:
    table = VelocityTable(observation)
    cards = [
        *qc_cards.version_cards("L2", provenance.tag),
        *qc_cards.cards_l2(table.combined_values(), table.drift_cards(), observation.middle),
    ]
    header = products.extend_header(header, cards)
    hdus = [observation.l0["TELEMETRY"].copy(), *table.make_hdus()]
    path = observation.obsid.path(observation.root, "L2")
    steps = ["radial_velocity", "drift_correction"]
    products.write_product(path, header, 2, provenance, steps, hdus)


def _differences_in_pixels(observation: L0Observation, camera: Camera, waves: Array) -> Array:
    """The difference from the nominal wavelengths, in pixels."""
    echelle: Echelle = observation.frames[camera.name].echelle
    nominal = echelle.wavelengths()
    return (waves - nominal) / np.gradient(nominal, axis=1)


def _ca_hk_spectra(l0: fits.HDUList) -> dict[str, Array]:
    if "CA_HK" not in l0:
        return {}
    science, sky = detector.extract_ca_hk(l0["CA_HK"].data)
    waves = detector.ca_hk_wavelengths(science.shape[1])
    return {"SCI": science, "SKY": sky, "SCI_WAVE": waves, "SKY_WAVE": waves}


def _barycentric_table(observation: L0Observation) -> list[tuple[str, str, np.ndarray]]:
    """One row per order of both cameras."""
    orders = sum(camera.orders for camera in CAMERAS)
    middle = observation.middle.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return [
        ("GEOMID_UTC", f"{len(middle)}A", np.full(orders, middle)),
        ("GEOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("PHOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("BARYVEL", "D", np.full(orders, observation.barycentric * 1000)),
    ]
