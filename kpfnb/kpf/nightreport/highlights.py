"""Which pictures of quicklook a reader wants first, small, to be carried in the page itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kpfnb.kpf.nightreport.content import Content
from kpfnb.kpf.quicklook import record
from kpfnb.kpf.quicklook.quality import Verdict
from kpfnb.settings import Settings

FACES = ("SCI2_spectrum", "CCF_grid", "guider_image")
"""Of the best exposure of each target."""

MOST_TARGETS = 4
MOST_BAD = 4
BUDGET_BYTES = 1_000_000
LEVELS = ("L2", "L1", "2D", "L0")


@dataclass(frozen=True)
class Shot:
    """One picture; `data` is base64 of a JPEG."""

    obsid: str
    level: str
    title: str
    data: str
    note: str = ""


def choose(content: Content, here: Settings) -> list[Shot]:
    """Pictures of the best exposure of each target, then of what fails; within the budget."""
    shots, used = [], 0
    for shot in (*_best(content, here), *_bad(content, here)):
        if used + len(shot.data) <= BUDGET_BYTES:
            shots.append(shot)
            used += len(shot.data)
    return shots


def _best(content: Content, here: Settings) -> Iterator[Shot]:
    best: dict[str, tuple[float, str]] = {}
    for one in content.velocities:
        best[one.target] = max(best.get(one.target, (-1.0, "")), (one.signal or 0.0, one.obsid))
    for target, (_, obsid) in list(best.items())[:MOST_TARGETS]:
        records = _records(content.night, obsid, here)
        for face in FACES:
            yield from _shots(records, face, here, note=target)


def _bad(content: Content, here: Settings) -> Iterator[Shot]:
    """A picture of each of the first exposures in which a check fails."""
    seen = 0
    for one in content.exposures:
        for found in _records(content.night, one.obsid, here):
            if found.verdict is Verdict.FAIL and found.pictures and seen < MOST_BAD:
                checks = [check.name for check in found.checks if check.verdict is Verdict.FAIL]
                note = f"FAIL: {'; '.join(checks) or found.error}"
                yield from _shots([found], found.pictures[0].path, here, note=note)
                seen += 1
                break


def _records(night: str, obsid: str, here: Settings) -> list[record.Record]:
    folder = here.qlp_path / night / obsid
    found = (record.read(record.path(folder, obsid, level)) for level in LEVELS)
    return [one for one in found if one]


def _shots(records: list[record.Record], face: str, here: Settings, *, note: str) -> Iterator[Shot]:
    for one in records:
        picture = next((each for each in one.pictures if face in each.path), None)
        if picture:
            folder = here.qlp_path / one.night / one.name
            data = _base64(folder / picture.thumbnail)
            if data:
                yield Shot(one.name, one.level, picture.title, data, note)
            return


def _base64(path: Path) -> str:
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return ""
