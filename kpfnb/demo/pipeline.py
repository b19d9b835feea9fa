"""The stand-in DRP on one observation: L0 to 2D, L1 and L2."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.demo import detector, products, qc_cards
from kpfnb.demo import observation as ancillary
from kpfnb.demo.instrument import CAMERAS, Array, Camera, Echelle
from kpfnb.demo.l2_table import VelocityTable
from kpfnb.demo.observation import L0Observation
from kpfnb.demo.products import ProductProvenance

if TYPE_CHECKING:
    from astropy.io import fits


# The stand-in DRP on many observations: a few processes, one file at a time each.


@dataclass(frozen=True)
class ReductionJob:
    """One file to reduce, up to so many levels."""

    path: Path
    provenance: ProductProvenance
    levels: int = 3


@dataclass(frozen=True)
class ReducedFile:
    """What became of a file: the products' names, and what went wrong (empty if nothing did)."""

    path: Path
    products: tuple[str, ...]
    error: str
    seconds: float


def reduce_files(jobs: list[ReductionJob], *, processes: int) -> Iterator[ReducedFile]:
    """Reduce files as they come free; a file that fails does not stop the others."""
    if processes == 1 or len(jobs) == 1:
        yield from map(reduce_file, jobs)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        min(processes, len(jobs)), context, _exit_with_parent, (os.getpid(),)
    ) as pool:
        futures = {pool.submit(reduce_file, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield ReducedFile(futures[future].path, (), "a worker process was killed", 0.0)


def reduce_file(job: ReductionJob) -> ReducedFile:
    """Reduce one file. The border of an item: whatever goes wrong is recorded here."""
    start = time.monotonic()
    written: list[str] = []
    try:
        _reduce_levels(job, written.append)
        error = "" if job.levels == 3 else f"recipe failed after {job.levels} levels (as asked)"
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    return ReducedFile(job.path, tuple(written), error, time.monotonic() - start)


def _reduce_levels(job: ReductionJob, tell: Callable[[str], None]) -> None:

    for product in islice(reduce_observation(job.path, job.provenance), job.levels):
        tell(product.name)


def _exit_with_parent(parent: int) -> None:
    """End this process soon after its parent has gone, however that went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def reduce_observation(path: Path, provenance: ProductProvenance) -> Iterator[Path]:
    """Reduce one L0, yielding each product once it is written.

    2D always; L1 where a camera was used; L2 where there was light, too.
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
    found = observation.masters
    heights = {
        name: master.heights for name, master in found.cameras.items() if master.heights is not None
    }
    is_junk = observation.obsid.text in observation.junk_obsids
    has_bias = any(master.bias is not None for master in found.cameras.values())
    cards = [
        *qc_cards.version_cards("2D", provenance.tag),
        *qc_cards.cards_2d(amplifiers, observation.frames, heights, ca_hk, is_junk),
        *ancillary.ancillary_cards_2d(l0, observation.cameras, heights),
        ("READSPED", "fast" if "GREEN_AMP3" in l0 else "regular", "read speed"),
        ("BIASFILE", found.file_name("bias"), "master bias"),
        ("BIASDIR", f"masters/{found.night}", "where it is"),
        ("BIASDONE", int(has_bias and not observation.is_bias), "bias subtracted"),
        ("FLATFILE", found.file_name("flat"), "master flat"),
        ("FLATDIR", f"masters/{found.night}", "where it is"),
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
    found = observation.masters
    used = {"WLSFILE": found.file_name("WLS"), "WLSFILE2": found.file_name("WLS")}
    used |= {"STATWREF": "nominal format", "TRACFILE": found.file_name("flat")}
    cards = [
        *qc_cards.version_cards("L1", provenance.tag),
        *qc_cards.cards_l1(header, observation.spectra, differences, used),
        *ancillary.ancillary_cards_l1(observation.l0),
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
    """The wavelengths against the nominal ones, pixels."""
    echelle: Echelle = observation.frames[camera.name].echelle
    nominal = echelle.wavelengths()
    return (nominal - waves) / np.gradient(nominal, axis=1)


def _ca_hk_spectra(l0: fits.HDUList) -> dict[str, Array]:
    if "CA_HK" not in l0:
        return {}
    science, sky = detector.extract_ca_hk(l0["CA_HK"].data)
    waves = detector.ca_hk_wavelengths(science.shape[1])
    return {"SCI": science, "SKY": sky, "SCI_WAVE": waves, "SKY_WAVE": waves}


def _barycentric_table(observation: L0Observation) -> list[tuple[str, str, np.ndarray]]:
    """One row an order of both cameras."""
    orders = sum(camera.orders for camera in CAMERAS)
    middle = observation.middle.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return [
        ("GEOMID_UTC", f"{len(middle)}A", np.full(orders, middle)),
        ("GEOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("PHOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("BARYVEL", "D", np.full(orders, observation.barycentric * 1000)),
    ]
