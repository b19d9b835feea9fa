"""The stand-in DRP on one observation: L0 to 2D, L1 and L2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kpfnb.demo import ancillary, cahk, products, quality
from kpfnb.demo.instrument import CAMERAS, Array, Camera, Echelle
from kpfnb.demo.observation import Observation
from kpfnb.demo.products import Provenance
from kpfnb.demo.velocity_table import VelocityTable

if TYPE_CHECKING:
    from astropy.io import fits


def process(path: Path, provenance: Provenance) -> Iterator[Path]:
    """Reduce one L0, yielding each product once it is written.

    2D always; L1 where a camera was used; L2 where there was light, too.
    """
    from astropy.io import fits

    with fits.open(path, memmap=False) as l0:
        observation = Observation(path, l0)
        header = _write_2d(observation, provenance)
        yield observation.obsid.path(observation.root, "2D")
        if not observation.cameras:
            return
        header = _write_l1(observation, header, provenance)
        yield observation.obsid.path(observation.root, "L1")
        if not observation.is_dark:
            _write_l2(observation, header, provenance)
            yield observation.obsid.path(observation.root, "L2")


def _write_2d(observation: Observation, provenance: Provenance) -> fits.Header:
    l0 = observation.l0
    amplifiers = {hdu.name: hdu.data for hdu in l0 if "_AMP" in hdu.name}
    ca_hk = l0["CA_HK"].data if "CA_HK" in l0 else None
    found = observation.masters
    heights = {
        name: master.heights for name, master in found.cameras.items() if master.heights is not None
    }
    is_junk = observation.obsid.text in observation.junk
    has_bias = any(master.bias is not None for master in found.cameras.values())
    cards = [
        *quality.version("2D", provenance.tag),
        *quality.cards_2d(amplifiers, observation.frames, heights, ca_hk, is_junk),
        *ancillary.cards_2d(l0, observation.cameras, heights),
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
    header = products.extended(observation.header, cards)
    steps = ["overscan_subtract", "bias_subtract", "assemble"]
    path = observation.obsid.path(observation.root, "2D")
    hdus = products.hdus_2d(l0, observation.frames)
    products.write(path, header, "2D", provenance, steps, hdus)
    return header


def _write_l1(observation: Observation, header: fits.Header, provenance: Provenance) -> fits.Header:
    waves = {camera.name: observation.waves(camera) for camera in observation.cameras}
    differences = {
        camera.name: _in_pixels(observation, camera, waves[camera.name])
        for camera in observation.cameras
    }
    found = observation.masters
    used = {"WLSFILE": found.file_name("WLS"), "WLSFILE2": found.file_name("WLS")}
    used |= {"STATWREF": "nominal format", "TRACFILE": found.file_name("flat")}
    cards = [
        *quality.version("L1", provenance.tag),
        *quality.cards_l1(header, observation.spectra, differences, used),
        *ancillary.cards_l1(observation.l0),
    ]
    header = products.extended(header, cards)
    hdus = products.hdus_l1(
        observation.l0["TELEMETRY"],
        observation.spectra,
        waves,
        _ca_hk(observation.l0),
        _barycentric_table(observation),
    )
    steps = ["order_trace", "spectral_extraction", "wavelength_cal", "barycentric_correction"]
    path = observation.obsid.path(observation.root, "L1")
    products.write(path, header, 1, provenance, steps, hdus)
    return header


def _write_l2(observation: Observation, header: fits.Header, provenance: Provenance) -> None:
    table = VelocityTable(observation)
    cards = [
        *quality.version("L2", provenance.tag),
        *quality.cards_l2(table.sums(), table.drift_cards(), observation.middle),
    ]
    header = products.extended(header, cards)
    hdus = [observation.l0["TELEMETRY"].copy(), *table.hdus()]
    path = observation.obsid.path(observation.root, "L2")
    steps = ["radial_velocity", "drift_correction"]
    products.write(path, header, 2, provenance, steps, hdus)


def _in_pixels(observation: Observation, camera: Camera, waves: Array) -> Array:
    """The wavelengths against the nominal ones, pixels."""
    echelle: Echelle = observation.frames[camera.name].echelle
    nominal = echelle.wavelengths()
    return (nominal - waves) / np.gradient(nominal, axis=1)


def _ca_hk(l0: fits.HDUList) -> dict[str, Array]:
    if "CA_HK" not in l0:
        return {}
    science, sky = cahk.extract(l0["CA_HK"].data)
    waves = cahk.wavelengths(science.shape[1])
    return {"SCI": science, "SKY": sky, "SCI_WAVE": waves, "SKY_WAVE": waves}


def _barycentric_table(observation: Observation) -> list[tuple[str, str, np.ndarray]]:
    """One row an order of both cameras."""
    orders = sum(camera.orders for camera in CAMERAS)
    middle = observation.middle.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return [
        ("GEOMID_UTC", f"{len(middle)}A", np.full(orders, middle)),
        ("GEOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("PHOMID_BJD", "D", np.full(orders, observation.julian_date)),
        ("BARYVEL", "D", np.full(orders, observation.barycentric * 1000)),
    ]
