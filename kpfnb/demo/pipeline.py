"""The stand-in DRP: observations are reduced from L0 to 2D, L1 and L2, several in parallel."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.compute.processes import die_with_parent
from kpfnb.demo import detector, products, qc_cards, qc_flags
from kpfnb.demo.ancillary_cards import ancillary_cards_2d, ancillary_cards_l1
from kpfnb.demo.header_layout import HeaderCard
from kpfnb.demo.instrument import Array, Camera, Echelle
from kpfnb.demo.l2_table import VelocityTable
from kpfnb.demo.observation import L0Observation
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
        tag = provenance.tag or l0[0].header.get("SIMDRP", "") or products.DEFAULT_TAG
        provenance = replace(provenance, tag=tag)
        observation = L0Observation(path, l0, tag)
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
    l0, tag = observation.l0, provenance.tag
    heights = {
        name: master.heights
        for name, master in observation.masters.cameras.items()
        if master.heights is not None
    }
    is_junk = observation.obsid.text in observation.junk_obsids
    cards = [
        *qc_cards.version_cards("2D", tag),
        *qc_cards.cards_2d(l0, observation.frames, heights, tag),
        *ancillary_cards_2d(observation, heights),
        *_master_cards_2d(observation),
    ]
    cards = qc_cards.drop_unwritten("2D", tag, cards)
    header = products.extend_header(observation.header, cards)
    flags = qc_flags.flags_2d(l0, header, observation.frames, is_junk=is_junk, tag=tag)
    header = products.extend_header(header, flags)
    steps = ["overscan_subtract", "bias_subtract", "dark_subtract", "assemble"]
    path = observation.obsid.path(observation.root, "2D")
    hdus = products.make_2d_hdus(l0, observation.frames)
    products.write_product(path, header, "2D", provenance, steps, hdus)
    return header


def _master_cards_2d(observation: L0Observation) -> list[HeaderCard]:
    """The masters that a 2D was made with; the flat is made, but simulated pixels are all alike."""
    masters = observation.masters
    done = {"BIAS": not observation.is_bias, "DARK": not observation.is_dark, "FLAT": False}
    parts = {"BIAS": "bias_autocal-bias", "DARK": "dark_autocal-dark", "FLAT": "flat"}
    cards: list[HeaderCard] = []
    for kind, part in parts.items():
        name = masters.file_name(f"master_{part}.fits")
        cards.append((f"{kind}DONE", int(done[kind] and bool(name)), f"master {kind.lower()} used"))
        if name:
            age = _whole_days(masters.night, observation)
            cards += [
                (f"{kind}FILE", name, f"master {kind.lower()}"),
                (f"{kind}DIR", f"/data/masters/{masters.night}/", "its directory"),
                (f"AGE{kind}", age, "[d] its date after this one"),
                (f"DRPTAGM{kind[0]}", masters.tag, "version that made it"),
            ]
    return cards


def _whole_days(night: str, observation: L0Observation) -> int:
    return (datetime.strptime(night, "%Y%m%d").date() - observation.middle.date()).days


def _write_l1(
    observation: L0Observation, header: fits.Header, provenance: ProductProvenance
) -> fits.Header:
    tag = provenance.tag
    waves = {camera.name: observation.wavelengths(camera) for camera in observation.cameras}
    differences = {
        camera.name: _differences_in_pixels(observation, camera, waves[camera.name])
        for camera in observation.cameras
    }
    cards = [
        *qc_cards.version_cards("L1", tag),
        *qc_cards.cards_l1(observation.spectra, differences, _masters_l1(observation), tag),
        *_age_cards_l1(observation),
        *ancillary_cards_l1(observation.l0),
    ]
    header = products.extend_header(header, qc_cards.drop_unwritten("L1", tag, cards))
    flags = qc_flags.flags_l1(header, observation.spectra, waves, differences, tag)
    header = products.extend_header(header, flags)
    hdus = products.make_l1_hdus(
        observation.l0["TELEMETRY"].copy(),
        observation.spectra,
        waves,
        _ca_hk_spectra(observation.l0),
        products.barycentric_columns(
            observation.middle, observation.julian_date, observation.barycentric
        ),
    )
    steps = ["order_trace", "spectral_extraction", "wavelength_cal", "barycentric_correction"]
    path = observation.obsid.path(observation.root, "L1")
    products.write_product(path, header, "L1", provenance, steps, hdus)
    return header


def _masters_l1(observation: L0Observation) -> dict[str, str]:
    """The masters that an L1 was made with, and how it was extracted."""
    masters = observation.masters
    solutions = masters.nearest_solutions(observation.middle.timestamp())
    paths = [f"/masters/{masters.night}/{name}" for name in solutions]
    return {
        "WLSFILE": paths[0],
        "WLSFILE2": paths[1],
        "TRACFILE": masters.file_path("order_mask.fits"),
        "TRACFGRN": masters.file_path("master_flat_GREEN_CCD.csv"),
        "TRACFRED": masters.file_path("master_flat_RED_CCD.csv"),
        "LAMPFILE": masters.file_path("smooth_lamp.fits"),
        "STATWREF": "nominal format",
        "EXTMETHK": "optimal",
        "EXTMETHS": "optimal",
        "EXTMETHC": "optimal",
    }


def _age_cards_l1(observation: L0Observation) -> list[HeaderCard]:
    masters = observation.masters
    middle = observation.middle.timestamp()
    first, second = masters.nearest_solutions(middle)
    days = _whole_days(masters.night, observation)
    return [
        ("AGEWLS", (masters.solutions[first] - middle) / 86400, "[d] WLSFILE after this one"),
        ("AGEWLS2", (masters.solutions[second] - middle) / 86400, "[d] WLSFILE2 after this one"),
        ("AGETRAC", days, "[d] date of TRACFILE after this one"),
        ("AGELAMP", days, "[d] date of LAMPFILE after this one"),
    ]


def _write_l2(
    observation: L0Observation, header: fits.Header, provenance: ProductProvenance
) -> None:
    table = VelocityTable(observation)
    cards = [
        *qc_cards.version_cards("L2", provenance.tag),
        *qc_cards.cards_l2(table.combined_values(), table.drift_cards(), provenance.tag),
    ]
    header = products.extend_header(header, cards)
    flags = qc_flags.flags_l2(header, observation.frames, provenance.tag)
    header = products.extend_header(header, flags)
    hdus = [observation.l0["TELEMETRY"].copy(), *table.make_hdus()]
    path = observation.obsid.path(observation.root, "L2")
    steps = ["radial_velocity", "drift_correction"]
    products.write_product(path, header, "L2", provenance, steps, hdus)


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
    return dict(zip(products.CA_HK_SPECTRA, (science, sky, waves, waves), strict=True))
