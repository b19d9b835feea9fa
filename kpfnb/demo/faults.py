"""Faults of a SIMULATED L0, and the quality flag of KPF's pipeline that each of them sets to 0."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from kpfnb.demo.header_layout import make_card

if TYPE_CHECKING:
    from astropy.io import fits


class L0Fault(StrEnum):
    """A fault; the flags are those of the pipeline's quality control of v2.12."""

    STOPPED_AGITATOR = "stopped-agitator"
    """AGITOK"""
    CLOCK_OFF = "clock-off"
    """NTPGOOD: the time is known to 240 ms only; the limit is 100 ms."""
    WARM_CCD = "warm-ccd"
    """GRCCDT10: the green CCD is 0.4 C above its set point; the limit is 10 mK."""
    SATURATED_METER = "saturated-meter"
    """EMSAT"""
    NEGATIVE_METER = "negative-meter"
    """EMNEG"""
    POOR_GUIDING = "poor-guiding"
    """GUIDGOOD: 112 mas; the limit is 50 mas."""
    SATURATED_GUIDER = "saturated-guider"
    """GUIDSAT"""
    WRONG_TARGET = "wrong-target"
    """TARGPLAU: a temperature of 45000 K, as in calibrations."""
    VIGNETTED = "vignetted"
    """NOTVIGN"""
    LOW_ELEVATION = "low-elevation"
    """GOODEL: 24 degrees; the limit is 30."""
    WRONG_TIME = "wrong-time"
    """TIMCHKL0: the cameras were opened 3 s after DATE-BEG."""
    SMEARED_READOUT = "smeared-readout"
    """GOODREAD, and TIMCHKL0: 6.3 s were exposed instead of the requested time."""
    WARM_ETALON = "warm-etalon"
    """ETASTEMP; an exposure of the etalon."""
    CLOSED_HK_SHUTTER = "closed-hk-shutter"
    """HKSHTOPN"""
    LOST_AMPLIFIER = "lost-amplifier"
    """DATAPRL0: RED_AMP1 is absent, although the red camera was triggered."""
    LOST_KEYWORDS = "lost-keywords"
    """KWRDPRL0: no card LST."""

    @property
    def kind(self) -> str:
        """The kind of exposure that has it."""
        return "etalon" if self is L0Fault.WARM_ETALON else "star"

    @property
    def flag(self) -> str:
        """The quality flag that is 0 because of it."""
        return _FLAGS[self]


_FLAGS = {
    L0Fault.STOPPED_AGITATOR: "AGITOK",
    L0Fault.CLOCK_OFF: "NTPGOOD",
    L0Fault.WARM_CCD: "GRCCDT10",
    L0Fault.SATURATED_METER: "EMSAT",
    L0Fault.NEGATIVE_METER: "EMNEG",
    L0Fault.POOR_GUIDING: "GUIDGOOD",
    L0Fault.SATURATED_GUIDER: "GUIDSAT",
    L0Fault.WRONG_TARGET: "TARGPLAU",
    L0Fault.VIGNETTED: "NOTVIGN",
    L0Fault.LOW_ELEVATION: "GOODEL",
    L0Fault.WRONG_TIME: "TIMCHKL0",
    L0Fault.SMEARED_READOUT: "GOODREAD",
    L0Fault.WARM_ETALON: "ETASTEMP",
    L0Fault.CLOSED_HK_SHUTTER: "HKSHTOPN",
    L0Fault.LOST_AMPLIFIER: "DATAPRL0",
    L0Fault.LOST_KEYWORDS: "KWRDPRL0",
}


def plant_fault(fault: L0Fault, hdus: fits.HDUList) -> None:
    """Change a good L0 so that it has the fault."""
    _ACTIONS[fault](hdus)


def _set_cards(**values: Any) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        for keyword, value in values.items():
            hdus[0].header.set(*make_card(keyword, value))

    return change


def _set_telemetry(hdus: fits.HDUList, sensor: str, value: float) -> None:
    table = hdus["TELEMETRY"].data
    row = np.flatnonzero(table["keyword"] == sensor)[0]
    for column in ("average", "min", "max"):
        table[column][row] = f"{value:.7g}"


def _stop_agitator(hdus: fits.HDUList) -> None:
    hdus[0].header["AGITSTA"] = "Stopped"
    _set_telemetry(hdus, "kpfmot.AGITSPD", 0.0)


def _fill_meter(value: float) -> Callable[[fits.HDUList], None]:
    def change(hdus: fits.HDUList) -> None:
        table = hdus["EXPMETER_SCI"].data
        for column in [name for name in table.names if name[0].isdigit()]:
            table[column][:] = value

    return change


def _guide_poorly(hdus: fits.HDUList) -> None:
    table = hdus["GUIDER_CUBE_ORIGINS"].data
    for axis in ("x", "y"):
        table[f"object1_{axis}"] = table[f"target_{axis}"] + 5 * (
            table[f"object1_{axis}"] - table[f"target_{axis}"]
        )


def _saturate_guider(hdus: fits.HDUList) -> None:
    hdus["GUIDER_CUBE_ORIGINS"].data["object1_peak"][:] = 16_000.0
    image = hdus["GUIDER_AVG"].data
    image[image > np.percentile(image, 99.9)] = 16_000.0


def _shift_shutter(hdus: fits.HDUList) -> None:
    header = hdus[0].header
    for keyword in ("GRDATE-B", "RDDATE-B"):
        begin = np.datetime64(header["DATE-BEG"]) + np.timedelta64(3, "s")
        header[keyword] = str(begin)


_ACTIONS: dict[L0Fault, Callable[[fits.HDUList], None]] = {
    L0Fault.STOPPED_AGITATOR: _stop_agitator,
    L0Fault.CLOCK_OFF: _set_cards(TIMEERR="ok 2 240 {NTP time correct to within 240 ms}"),
    L0Fault.WARM_CCD: lambda hdus: _set_telemetry(hdus, "kpfgreen.STA_CCD_T", -99.6),
    L0Fault.SATURATED_METER: _fill_meter(1.9e6),
    L0Fault.NEGATIVE_METER: _fill_meter(-12.0),
    L0Fault.POOR_GUIDING: _guide_poorly,
    L0Fault.SATURATED_GUIDER: _saturate_guider,
    L0Fault.WRONG_TARGET: _set_cards(TARGTEFF=45000.0),
    L0Fault.VIGNETTED: _set_cards(VIGNETTE="true", STVIGNE="true"),
    L0Fault.LOW_ELEVATION: _set_cards(EL=24.1, AIRMASS=2.45),
    L0Fault.WRONG_TIME: _shift_shutter,
    L0Fault.SMEARED_READOUT: _set_cards(ELAPSED=6.3),
    L0Fault.WARM_ETALON: _set_cards(ETAV1C3T=23.604),
    L0Fault.CLOSED_HK_SHUTTER: _set_cards(CAHKSHT="closed"),
    L0Fault.LOST_AMPLIFIER: lambda hdus: hdus.__delitem__("RED_AMP1"),
    L0Fault.LOST_KEYWORDS: lambda hdus: hdus[0].header.__delitem__("LST"),
}
