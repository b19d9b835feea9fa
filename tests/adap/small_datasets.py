"""Small datasets on a remote, for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kpfnb.demo import deimos_frames

NAME = "NGC1eh/1200G_8800_OG550/2011-01-28"
OTHER = "NGC1eh/1200G_8800_OG550/2011-03-05"
KINDS = ("arc", "flat", "science", "science")


def write(root: Path, name: str, kinds: tuple[str, ...] = KINDS) -> Path:
    """A dataset's raw frames below a root; gives their folder."""
    raw = root / name / "complete/raw"
    start = datetime.fromisoformat(name[-10:]).replace(tzinfo=UTC)
    for number, kind in enumerate(kinds):
        moment = start + timedelta(minutes=number)
        deimos_frames.write_frame(raw / f"d{number}.fits", deimos_frames.make_header(kind, moment))
    return raw


def remotes(tmp_path: Path, patch: pytest.MonkeyPatch) -> Path:
    """Remotes `data` and `backup`, which are folders; returns the folder of `data`."""
    places = {name: str(tmp_path / "remote" / name) for name in ("data", "backup")}
    for place in places.values():
        Path(place).mkdir(parents=True)
    patch.setenv("KPFNB_REMOTES", json.dumps(places))
    return Path(places["data"])


def below(folder: Path) -> set[str]:
    """The files below a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
