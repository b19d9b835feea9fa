"""The stand-in DRP's L2: correlation functions, velocities and their means."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from kpfnb.demo import products, spectra
from kpfnb.demo.ccf import CorrelationFunctions, MeanVelocity, correlate_rows, mean_velocity
from kpfnb.demo.header_cards import HeaderCard
from kpfnb.demo.instrument import CAMERAS, ORDERLETS, Array, Camera
from kpfnb.demo.observation import L0Observation
from kpfnb.demo.products import CCF_ORDERLETS

ZERO_POINT_ERROR = 0.001
"""km/s: how well the wavelength solution of a night is known as a whole."""

MASKS = {
    "Target": ("star", spectra.stellar_lines),
    "Sky": ("star", spectra.stellar_lines),
    "SoCal-SciSky": ("star", spectra.stellar_lines),
    "LFCFiber": ("lfc", spectra.comb_lines),
    "EtalonFiber": ("etalon", spectra.etalon_lines),
    "Th_gold": ("thar", spectra.thorium_lines),
}
"""The mask for what lights a fibre (SCI-OBJ, SKY-OBJ, CAL-OBJ)."""

SCIENCE = ("SCI1", "SCI2", "SCI3")


class VelocityTable:
    """All that an L2 says about the velocities of an observation. km/s throughout."""

    def __init__(self, observation: L0Observation) -> None:
        self.observation = observation
        header = observation.header
        self.sources = {fibre: header[f"{fibre}-OBJ"] for fibre in ("SCI", "SKY", "CAL")}

    @cached_property
    def correlations(self) -> dict[str, dict[str, CorrelationFunctions]]:
        """By camera and orderlet."""
        return {
            camera.name: {orderlet: self._correlate(camera, orderlet) for orderlet in ORDERLETS}
            for camera in self.observation.cameras
        }

    def _correlate(self, camera: Camera, orderlet: str) -> CorrelationFunctions:
        source = self.sources[orderlet[:3]]
        name, lines = MASKS.get(source, ("none", _no_lines))
        is_star = name == "star"
        return correlate_rows(
            self.observation.spectra[camera.name],
            self.observation.blaze(camera),
            self._edges[camera.name],
            lines(),
            centre=float(self.observation.header.get("TARGRADV", 0.0)) if is_star else 0.0,
            barycentric=self.observation.barycentric if is_star else 0.0,
            rows=slice(ORDERLETS.index(orderlet), None, len(ORDERLETS)),
        )

    @cached_property
    def _edges(self) -> dict[str, Array]:
        cameras = self.observation.cameras
        return {camera.name: self.observation.wavelengths(camera, edges=True) for camera in cameras}

    def camera_mean(self, camera: Camera, *orderlets: str) -> MeanVelocity:
        """The mean over all orders of some orderlets, calibration errors included."""
        found = [self.correlations[camera.name][orderlet] for orderlet in orderlets]
        photons = mean_velocity(
            np.concatenate([each.radial for each in found]),
            np.concatenate([each.errors for each in found]),
        )
        if not photons.error:
            return photons
        return MeanVelocity(
            photons.velocity, float(np.hypot(photons.error, self._calibration(camera)))
        )

    def _calibration(self, camera: Camera) -> float:
        drift = self.observation.drifts[camera.name].error
        return float(np.hypot(drift * self.observation.pixel_velocity(camera), ZERO_POINT_ERROR))

    def combined_values(self) -> dict[str, float]:
        """The cards that combine both cameras."""
        science = _combine_means([self.camera_mean(c, *SCIENCE) for c in self.observation.cameras])
        calibration = _combine_means([self.camera_mean(c, "CAL") for c in self.observation.cameras])
        return {
            "CCFRV": science.velocity,
            "CCFERV": science.error,
            "CCFRVC": calibration.velocity,
            "CCFERVC": calibration.error,
            "CCFBCV": self.observation.barycentric,
            "CCFBJD": self.observation.julian_date,
            "BJDSTD": 0.0,
            "BJDRNG": 0.0,
            "BCVSTD": 0.0,
            "BCVRNG": 0.0,
            "MAXPCBCV": 0.0,
            "MINPCBCV": 0.0,
        }

    def drift_cards(self) -> dict[str, Any]:
        """The drift that was corrected, m/s, the mean of both cameras."""
        drifts = self.observation.drifts
        moved = [
            drifts[camera.name].pixels * self.observation.pixel_velocity(camera) * 1000
            for camera in self.observation.cameras
        ]
        return {
            "DRFTCOR": True,
            "DRFTRV": float(np.mean(moved)),
            "DRFTMETH": next(iter(drifts.values())).method,
        }

    def make_hdus(self) -> list[Any]:
        """The correlation functions, as they are and reweighted; RV; ACTIVITY."""
        return [
            *(self._ccf_hdu(camera, reweighted=False) for camera in self.observation.cameras),
            *(self._ccf_hdu(camera, reweighted=True) for camera in self.observation.cameras),
            products.make_rv_hdu(self._table_columns(), self._camera_cards()),
            _activity_hdu(),
        ]

    def _ccf_hdu(self, camera: Camera, *, reweighted: bool) -> Any:
        found = self.correlations[camera.name]
        cube = np.array([_orderlet_rows(found[o].ccf, o) for o in CCF_ORDERLETS])
        if reweighted:
            weights = np.array([_orderlet_rows(found[o].weights, o) for o in CCF_ORDERLETS])
            cube = cube * (weights / max(float(weights.max()), 1e-12))[:, :, None]
        masks = {fibre: MASKS.get(source, ("none",))[0] for fibre, source in self.sources.items()}
        name = f"{camera.name}_CCF{'_RW' if reweighted else ''}"
        grid = found["SCI2"].velocities
        return products.make_ccf_hdu(name, cube.astype(np.float32), grid, masks)

    def _camera_cards(self) -> list[HeaderCard]:
        cards: list[HeaderCard] = []
        names = {"1": ("SCI1",), "2": ("SCI2",), "3": ("SCI3",), "C": ("CAL",), "S": ("SKY",)}
        for number, camera in enumerate(CAMERAS, start=1):
            if camera not in self.observation.cameras:
                continue
            cards.append((f"CCD{number}ROW", 0 if number == 1 else CAMERAS[0].orders, "first row"))
            for code, orderlets in {**names, "": SCIENCE}.items():
                found = self.camera_mean(camera, *orderlets)
                what = "+".join(orderlets)
                cards += [
                    (f"CCD{number}RV{code}", found.velocity, f"[km/s] {what}, all orders"),
                    (f"CCD{number}ERV{code}", found.error, f"[km/s] error of CCD{number}RV{code}"),
                ]
            cards.append((f"CCD{number}BJD", self.observation.julian_date, "[d] mid-time"))
        return cards

    def _table_columns(self) -> list[tuple[str, str, np.ndarray]]:
        """One row an order, both cameras; the orders of a camera that was not read are 0."""
        parts = [self._camera_columns(camera) for camera in CAMERAS]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return [(name, _fits_format(values), values) for name, values in whole.items()]

    def _camera_columns(self, camera: Camera) -> dict[str, np.ndarray]:
        orders = np.arange(camera.orders)
        first = 0 if camera is CAMERAS[0] else CAMERAS[0].orders
        radial, errors = self._by_orderlet(camera)
        science = [
            mean_velocity(*each)
            for each in zip(
                np.transpose([radial[o] for o in SCIENCE]),
                np.transpose([errors[o] for o in SCIENCE]),
                strict=True,
            )
        ]
        order_errors = np.array([each.error for each in science])
        weights = np.divide(1, order_errors**2, out=np.zeros(orders.size), where=order_errors > 0)
        edges = self._edges.get(camera.name, np.zeros((camera.orders * 5, 2)))[2::5]
        observation = self.observation
        return {
            "orderlet1": radial["SCI1"],
            "orderlet2": radial["SCI2"],
            "orderlet3": radial["SCI3"],
            "s_wavelength": edges[:, 0],
            "e_wavelength": edges[:, -1],
            "segment no.": first + orders,
            "order no.": first + orders,
            "RV": np.array([each.velocity for each in science]),
            "RV error": order_errors,
            "CAL RV": radial["CAL"],
            "CAL error": errors["CAL"],
            "SKY RV": radial["SKY"],
            "SKY error": errors["SKY"],
            "CCFBJD": np.full(orders.size, observation.julian_date),
            "Bary_RVC": np.full(orders.size, observation.barycentric),
            "source1": np.full(orders.size, f"{camera.name}_SCI_FLUX1"),
            "source2": np.full(orders.size, f"{camera.name}_SCI_FLUX2"),
            "source3": np.full(orders.size, f"{camera.name}_SCI_FLUX3"),
            "source CAL": np.full(orders.size, f"{camera.name}_CAL_FLUX"),
            "source SKY": np.full(orders.size, f"{camera.name}_SKY_FLUX"),
            "CCF Weights": weights / max(float(weights.max()), 1e-12),
        }

    def _by_orderlet(self, camera: Camera) -> tuple[dict[str, Array], dict[str, Array]]:
        found = self.correlations.get(camera.name)
        if found is None:
            empty: dict[str, Array] = {o: np.zeros(camera.orders) for o in ORDERLETS}
            return empty, empty
        return (
            {orderlet: _orderlet_rows(found[orderlet].radial, orderlet) for orderlet in ORDERLETS},
            {orderlet: _orderlet_rows(found[orderlet].errors, orderlet) for orderlet in ORDERLETS},
        )


def _combine_means(means: list[MeanVelocity]) -> MeanVelocity:
    return mean_velocity(
        np.array([each.velocity for each in means]), np.array([each.error for each in means])
    )


def _orderlet_rows(values: Array, orderlet: str) -> Array:
    """The rows of one orderlet."""
    return values[ORDERLETS.index(orderlet) :: len(ORDERLETS)]


def _fits_format(values: np.ndarray) -> str:
    """The FITS format of a column."""
    if values.dtype.kind == "U":
        return f"{values.dtype.itemsize // 4}A"
    return "K" if values.dtype.kind == "i" else "D"


def _no_lines() -> spectra.LineList:
    return spectra.LineList(np.array([]), np.array([]))


def _activity_hdu() -> Any:
    from astropy.io import fits

    return fits.BinTableHDU(name="ACTIVITY")
