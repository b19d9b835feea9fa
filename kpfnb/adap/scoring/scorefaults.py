"""What is wrong with a slit, by its limits and by PypeIt's own flags."""

from __future__ import annotations

from enum import StrEnum

from kpfnb.adap.scoring.scorelimits import Limits
from kpfnb.adap.scoring.slits import Slit


class Fault(StrEnum):
    """One thing that is wrong with a slit; PypeIt's flags by their names in its headers."""

    COVERAGE = "coverage"
    RMS = "rms"
    CHI = "chi"
    FLEXURE = "flexure"
    """Told, but the slit is not bad for it: PypeIt corrects it."""
    WAVELENGTHS = "BADWVCALIB"
    TILTS = "BADTILTCALIB"
    FLAT = "BADFLATCALIB"
    NO_FLAT = "SKIPFLATCALIB"
    """Told likewise: the slit was reduced without a flat."""
    SKY = "BADSKYSUB"
    EXTRACTION = "BADEXTRACT"


BAD_FLAGS = frozenset({Fault.WAVELENGTHS, Fault.TILTS, Fault.FLAT, Fault.SKY, Fault.EXTRACTION})
BAD = BAD_FLAGS | {Fault.COVERAGE, Fault.RMS, Fault.CHI}
"""With one of them a slit is bad."""

FLAGS = BAD_FLAGS | {Fault.NO_FLAT}


def of(slit: Slit, limits: Limits) -> frozenset[Fault]:
    """All that is wrong with a slit. What was not measured is not judged."""
    measured = {
        Fault.COVERAGE: slit.coverage is not None and slit.coverage < limits.wave_cov_thresh,
        Fault.RMS: slit.rms is not None and slit.rms > limits.rms_thresh,
        Fault.CHI: slit.std_chi is not None
        and (slit.std_chi < limits.lower_std_chi or slit.std_chi > limits.upper_std_chi),
        Fault.FLEXURE: slit.flexure is not None and abs(slit.flexure) >= limits.flex_shift_thresh,
    }
    return frozenset(
        [fault for fault, is_so in measured.items() if is_so]
        + [fault for fault in FLAGS if fault in slit.flags]
    )
