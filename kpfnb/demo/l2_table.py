"""The L2 of the stand-in DRP: correlation functions, velocities and their means."""

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
"""km/s: the error of a night's wavelength solution as a whole."""

MASKS = {
    "Target": "star",
    "Sky": "star",
    "SoCal-SciSky": "star",
    "LFCFiber": "lfc",
    "EtalonFiber": "etalon",
    "Th_gold": "thar",
}
"""The light source of a fibre (SCI-OBJ, SKY-OBJ, CAL-OBJ) to its mask."""

_LAMP_LINES = {
    "lfc": spectra.comb_lines,
    "etalon": spectra.etalon_lines,
    "thar": spectra.thorium_lines,
}

SCIENCE = ("SCI1", "SCI2", "SCI3")


class VelocityTable:
    """The velocities of an observation for its L2, in km/s."""

    def __init__(self, observation: L0Observation) -> None:
        self.observation = observation
        header = observation.header
        self.sources = {fibre: header[f"{fibre}-OBJ"] for fibre in ("SCI", "SKY", "CAL")}

    @cached_property
    def correlations(self) -> dict[str, dict[str, CorrelationFunctions]]:
        """The correlation functions by camera and orderlet."""
        return {
            camera.name: {orderlet: self._correlate(camera, orderlet) for orderlet in ORDERLETS}
            for camera in self.observation.cameras
        }

    def _correlate(self, camera: Camera, orderlet: str) -> CorrelationFunctions:
        mask = MASKS.get(self.sources[orderlet[:3]], "none")
        is_star = mask == "star"
        return correlate_rows(
            self.observation.spectra[camera.name],
            self.observation.blaze(camera),
            self._edges[camera.name],
            _mask_lines(mask, self.observation.frames[camera.name].echelle.side),
            centre=float(self.observation.header.get("TARGRADV", 0.0)),
            barycentric=self.observation.barycentric if is_star else 0.0,
            near=None if is_star else 0.0,
            rows=slice(ORDERLETS.index(orderlet), None, len(ORDERLETS)),
        )

    @cached_property
    def _edges(self) -> dict[str, Array]:
        cameras = self.observation.cameras
        return {camera.name: self.observation.wavelengths(camera, edges=True) for camera in cameras}

    def camera_mean(self, camera: Camera, *orderlets: str) -> MeanVelocity:
        """The mean over all orders of orderlets; the error includes that of the calibration."""
        correlations = [self.correlations[camera.name][orderlet] for orderlet in orderlets]
        photons = mean_velocity(
            np.concatenate([functions.radial for functions in correlations]),
            np.concatenate([functions.errors for functions in correlations]),
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
        """The values of the cards that combine both cameras."""
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
        """The cards of the corrected drift: m/s, mean of both cameras."""
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
        """The HDUs: correlation functions, plain and reweighted; RV; ACTIVITY."""
        return [
            *(self._ccf_hdu(camera, reweighted=False) for camera in self.observation.cameras),
            *(self._ccf_hdu(camera, reweighted=True) for camera in self.observation.cameras),
            products.make_rv_hdu(self._table_columns(), self._camera_cards()),
            _activity_hdu(),
        ]

    def _ccf_hdu(self, camera: Camera, *, reweighted: bool) -> Any:
        functions = self.correlations[camera.name]
        cube = np.array([_orderlet_rows(functions[o].ccf, o) for o in CCF_ORDERLETS])
        if reweighted:
            weights = np.array([_orderlet_rows(functions[o].weights, o) for o in CCF_ORDERLETS])
            cube = cube * (weights / max(float(weights.max()), 1e-12))[:, :, None]
        masks = {fibre: MASKS.get(source, "none") for fibre, source in self.sources.items()}
        name = f"{camera.name}_CCF{'_RW' if reweighted else ''}"
        grid = functions["SCI2"].velocities
        return products.make_ccf_hdu(name, cube.astype(np.float32), grid, masks)

    def _camera_cards(self) -> list[HeaderCard]:
        cards: list[HeaderCard] = []
        names = {"1": ("SCI1",), "2": ("SCI2",), "3": ("SCI3",), "C": ("CAL",), "S": ("SKY",)}
        for number, camera in enumerate(CAMERAS, start=1):
            if camera not in self.observation.cameras:
                continue
            cards.append((f"CCD{number}ROW", 0 if number == 1 else CAMERAS[0].orders, "first row"))
            for code, orderlets in {**names, "": SCIENCE}.items():
                velocity = self.camera_mean(camera, *orderlets)
                what = "+".join(orderlets)
                cards += [
                    (f"CCD{number}RV{code}", velocity.velocity, f"[km/s] {what}, all orders"),
                    (
                        f"CCD{number}ERV{code}",
                        velocity.error,
                        f"[km/s] error of CCD{number}RV{code}",
                    ),
                ]
            cards.append((f"CCD{number}BJD", self.observation.julian_date, "[d] mid-time"))
        return cards

    def _table_columns(self) -> list[tuple[str, str, np.ndarray]]:
        """One row per order of both cameras; 0 for a camera that was not read."""
        parts = [self._camera_columns(camera) for camera in CAMERAS]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return [(name, _fits_format(values), values) for name, values in columns.items()]

    def _camera_columns(self, camera: Camera) -> dict[str, np.ndarray]:
        orders = np.arange(camera.orders)
        first = 0 if camera is CAMERAS[0] else CAMERAS[0].orders
        radial, errors = self._by_orderlet(camera)
        science = [
            mean_velocity(*order_mean)
            for order_mean in zip(
                np.transpose([radial[o] for o in SCIENCE]),
                np.transpose([errors[o] for o in SCIENCE]),
                strict=True,
            )
        ]
        order_errors = np.array([order_mean.error for order_mean in science])
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
            "RV": np.array([order_mean.velocity for order_mean in science]),
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
        functions = self.correlations.get(camera.name)
        if functions is None:
            empty: dict[str, Array] = {o: np.zeros(camera.orders) for o in ORDERLETS}
            return empty, empty
        return (
            {
                orderlet: _orderlet_rows(functions[orderlet].radial, orderlet)
                for orderlet in ORDERLETS
            },
            {
                orderlet: _orderlet_rows(functions[orderlet].errors, orderlet)
                for orderlet in ORDERLETS
            },
        )


def _combine_means(means: list[MeanVelocity]) -> MeanVelocity:
    return mean_velocity(
        np.array([camera_mean.velocity for camera_mean in means]),
        np.array([camera_mean.error for camera_mean in means]),
    )


def _orderlet_rows(values: Array, orderlet: str) -> Array:
    """The rows of one orderlet, one per order."""
    return values[ORDERLETS.index(orderlet) :: len(ORDERLETS)]


def _fits_format(values: np.ndarray) -> str:
    """The FITS format code of a column."""
    if values.dtype.kind == "U":
        return f"{values.dtype.itemsize // 4}A"
    return "K" if values.dtype.kind == "i" else "D"


def _mask_lines(mask: str, side: int) -> spectra.LineList:
    if mask == "star":
        return spectra.stellar_lines()
    if mask in _LAMP_LINES:
        return _LAMP_LINES[mask](side)
    return spectra.LineList(np.array([]), np.array([]))


def _activity_hdu() -> Any:
    from astropy.io import fits

    return fits.BinTableHDU(name="ACTIVITY")
