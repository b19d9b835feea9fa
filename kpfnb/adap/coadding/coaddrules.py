"""How spectra are calibrated and coadded: the section `coadd` of a spectrograph's profile."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from kpfnb.adap.pypeit import pypeitparameters
from kpfnb.adap.pypeit.pypeitparameters import Tree
from kpfnb.errors import BadInput
from kpfnb.yamlfile import Strict


class CoaddRules(Strict):
    """The texts are parameters in PypeIt's notation.

    Attributes
    ----------
    flux : where the sensitivity function comes from: PypeIt's archive, or a standard of the dataset
    sens : for pypeit_sensfunc
    fluxcalib : for pypeit_flux_calib
    collate1d : for pypeit_collate_1d
    coadd2d : for pypeit_coadd_2dspec
    detectors : what PypeIt wants to be told for a detector or mosaic, as {"MSC01": "1,5"}
    """

    flux: Literal["archive", "standard"] = "standard"
    sens: str = ""
    fluxcalib: str = ""
    collate1d: str
    coadd2d: str = ""
    detectors: dict[str, str] = {}

    @field_validator("sens", "fluxcalib", "collate1d", "coadd2d")
    @classmethod
    def _in_notation(cls, text: str) -> str:
        try:
            pypeitparameters.parse(text.splitlines())
        except BadInput as error:
            raise ValueError(error.what) from None
        return text

    def tree(self, name: str) -> Tree:
        """The parameters of that name, read."""
        text: str = getattr(self, name)
        return pypeitparameters.parse(text.splitlines())

    def number(self, detector: str) -> str:
        """What PypeIt wants to be told for a detector: of DET03 it is 3; '' where nobody knows."""
        if detector in self.detectors:
            return self.detectors[detector]
        return str(int(detector[3:])) if detector.startswith("DET") else ""
