"""Where PypeIt is with its work, in the words of an observer: target, detector and what is done.

Its log tells what it does line by line, iterations of a fit among them; what part of the work that
is, only the line with which the part begins.
"""

from __future__ import annotations

import re
from pathlib import Path

from kpfnb.adap.pypeit import pypeitlog

TAIL_BYTES = 100_000
"""A part of the work seldom writes more."""

PARTS = {
    "Compiling metadata": "reading the headers",
    "Preparing a Bias": "bias",
    "Preparing a Dark": "dark",
    "Creating edge tracing": "edges of the slits",
    "Preparing a Arc": "arc",
    "Preparing a Tiltimg": "arc",
    "Preparing a WaveCalib": "wavelengths",
    "Computing tilts": "tilts",
    "Creating pixel-flat": "flat field",
    "Creating slit-illumination": "flat field",
    "Image processing begins": "image",
    "Object finding begins": "finding objects",
    "Extraction begins": "extraction",
    "Execution time": "done",
}
"""How the line begins with which a part begins, and what it is."""
TARGET = "Reducing target "
DETECTOR = re.compile(r"(?:Calibrating|Reducing) detector (?P<name>.+)|.*\bon det=(?P<det>.+)")


def doing(log: Path) -> str:
    """What PypeIt is doing, as `Feige 66, detector 1: extraction`; "starting" without a log."""
    return told(pypeitlog.tail(log, TAIL_BYTES)) if log.is_file() else "starting"


def told(lines: list[str]) -> str:
    """What it was doing at the end of those lines; its last word where they do not tell."""
    log = pypeitlog.parse(lines)
    target = detector = part = ""
    for entry in log.entries:
        text = entry.text.splitlines()[0].strip() if entry.text else ""
        if text.startswith(TARGET):
            target, detector = text.removeprefix(TARGET), ""
        if found := DETECTOR.fullmatch(text):
            detector = found["name"] or found["det"]
        part = next((word for start, word in PARTS.items() if text.startswith(start)), part)
    where = ", ".join(filter(None, [target, detector and f"detector {detector}"]))
    return f"{where}: {part}" if where and part else part or log.last_step or "starting"
