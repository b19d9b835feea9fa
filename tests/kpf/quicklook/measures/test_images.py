from __future__ import annotations

import numpy as np

from kpfnb.kpf.quicklook.instrument_plots.fits_content import FitsContent
from kpfnb.kpf.quicklook.measures import MEASURES, NOT_IN_FILE


def test_fluxes_without_a_value_are_counted_by_orderlet() -> None:
    flux = np.ones((3, 100))
    flux[1, :7] = np.nan
    content = FitsContent(images={"GREEN_SCI_FLUX1": flux, "RED_CAL_FLUX": np.ones((3, 100))})
    assert MEASURES["unknown_fluxes"](content)[:2] == (7, "GREEN SCI1: 7")
    assert MEASURES["unknown_fluxes"](FitsContent()) is NOT_IN_FILE


def test_missing_spectra_are_named() -> None:
    content = FitsContent(images={"GREEN_SCI_FLUX1": np.ones((3, 100))})
    measured = MEASURES["missing_spectra_green"](content)
    assert measured.value == 14
    assert measured.note.startswith("GREEN_SCI_VAR1, GREEN_SCI_WAVE1, ")
    assert measured.note.endswith(" and 2 more")
    assert MEASURES["missing_spectra_red"](content) is NOT_IN_FILE
