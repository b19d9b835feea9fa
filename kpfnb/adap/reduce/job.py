"""What is to be reduced, where to and how: checked before any work."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpfnb import settings
from kpfnb.adap.pypeit import installation, kast
from kpfnb.adap.reducing import frames
from kpfnb.adap.reducing.frames import RawFrame
from kpfnb.errors import BadInput, BadParameter

SETUPS = re.compile(r"all|[A-Z]+(,[A-Z]+)*")
FOLDER = "reductions"

DYING_SECONDS = 60
"""How long to wait for the processes of a killed run to be gone."""


@dataclass(frozen=True)
class Task:
    """One dataset and how to reduce it; see `reduction.run` for what each part is."""

    raw: Path
    output: Path
    spectrograph: str
    setup: str
    config: tuple[str, ...]
    plans: Path | None = None

    def inputs(self, found: Sequence[RawFrame]) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new reduction."""
        made = sorted(self.plans.glob("*/*.pypeit")) if self.plans else []
        plans = {"plans": {one.name: one.read_text(encoding="utf-8") for one in made}}
        return {
            **(plans if made else {}),
            "raw": str(self.raw),
            "spectrograph": self.spectrograph,
            "setup": self.setup,
            "config": list(self.config),
            "pypeit": installation.version(),
            "frames": frames.stamps(found),
        }


def prepare(
    raw: str | Path,
    output: str | Path,
    spectrograph: str,
    setup: str,
    config: str | Sequence[str],
    plans: Path | None = None,
) -> Task:
    """The checked task.

    Raises
    ------
    BadInput, BadParameter : an argument that names nothing; says which and what would do
    ServiceUnavailable : PypeIt is not installed, or the example frames can't be had
    """
    if not spectrograph and not str(raw):
        spectrograph = kast.SPECTROGRAPH
    if str(raw) and not spectrograph and not expanded(raw, "raw").exists():
        # A misspelt dataset more likely than a folder whose spectrograph is not named
        raise BadInput(
            f"the raw folder {expanded(raw, 'raw')} does not exist",
            "name the folder of the raw frames, or a dataset as mask/config/date",
        )
    installation.check_spectrograph(spectrograph)
    setup = setup.replace(" ", "")
    if not SETUPS.fullmatch(setup):
        raise BadParameter(
            f"setup: {setup!r} is no setup of PypeIt", "write all, or a letter such as A, or A,B"
        )
    lines = config_lines(config)
    work_dir = settings.load().work_dir
    folder = expanded(raw, "raw") if str(raw) else kast.example_frames(work_dir)
    place = expanded(output, "output") if str(output) else work_dir / FOLDER / _name(raw, folder)
    if place == folder or folder in place.parents or place in folder.parents:
        raise BadInput(
            f"the output {place} and the raw folder {folder} lie in one another",
            "name an output outside of the raw folder, which is only read",
        )
    if plans and not any(plans.glob("*/*.pypeit")):
        raise BadInput(f"plans: no reduction file in {plans}", "it holds <setup>/<setup>.pypeit")
    return Task(folder, place, spectrograph, setup, lines, plans)


def config_lines(config: str | Sequence[str]) -> tuple[str, ...]:
    """The user's parameter lines: given as a list, as one text, or as the name of a file.

    A list of one that is no section is the name of a file too: a form has no other way to name it.
    """
    if not isinstance(config, str):
        if len(config) != 1 or config[0].lstrip().startswith("["):
            return tuple(config)
        config = config[0]
    if not config.strip():
        return ()
    if "\n" in config or config.lstrip().startswith("["):
        return tuple(config.splitlines())
    path = expanded(config, "config")
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"config: can't read {path}: {error}",
            "give a file with PypeIt's parameter lines, or the lines themselves",
        ) from error


def expanded(path: str | Path, name: str) -> Path:
    """An absolute path, environment variables and ~ filled in."""
    text = os.path.expandvars(str(path))
    if unset := re.search(r"\$\{?(\w+)", text):
        raise BadInput(
            f"{name}: the environment variable {unset[1]} in {str(path)!r} is not set",
            f"set {unset[1]}, or write the path out",
        )
    return Path(text).expanduser().absolute()


def _name(raw: str | Path, folder: Path) -> str:
    """The dataset's name: that of its folder, also where the frames are in `raw` below it."""
    if not str(raw):
        return kast.SPECTROGRAPH
    return folder.parent.name if folder.name == "raw" and folder.parent.name else folder.name
