"""What is to be reduced, where to and how: checked before any work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.products import dataset as frames
from kpfnb.adap.products.dataset import COMPLETE, RawFrame
from kpfnb.adap.profiles.spectrograph import Profile
from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit import installation as kast
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.queue.lease import Lease
from kpfnb.storage import Location

# A dataset that is reduced: what was ordered, where it is, and what was made of it so far.


@dataclass(frozen=True)
class ReductionConfig:
    """How datasets are to be reduced; the same for all of a queue.

    Attributes
    ----------
    profile : of the spectrograph
    source, backup : where datasets are, and where their results are kept once more (`REMOTE:` or
        a folder); no backup if empty
    custom : folder of datasets' own parameter and reduction files; '' for none
    exclude : file that names frames not to be used; '' for none
    sheet : write scorecards into the sheet
    keep : leave the local copy
    """

    profile: Profile
    source: str = remote_datasets.DATA_REMOTE
    backup: str = remote_datasets.BACKUP_REMOTE
    custom: str = ""
    exclude: str = ""
    sheet: bool = True
    keep: bool = False
    silence_minutes: float = 30
    timeout_minutes: float = 0
    force: bool = False

    @property
    def has_backup(self) -> bool:
        """False where none is wanted, or the settings name no such remote."""
        label, colon, _ = self.backup.partition(":")
        return bool(self.backup) and (not colon or label in settings.load_settings().remotes)

    def check_places(self, name: str) -> None:
        """`InvalidInputError` where a dataset would be reduced in the folder that is its remote, too.

        The local copy goes at the end: it must not be the data themselves.
        """
        here = local_folder(name).resolve()
        for place in (self.source, *([self.backup] if self.has_backup else [])):
            found = storage.resolve_location(place) / name
            there = Path(found.argument).resolve()
            if found.is_local and (there.is_relative_to(here) or here.is_relative_to(there)):
                raise InvalidInputError(
                    f"{place} is the folder in which {name} is reduced ({here})",
                    "name another folder or remote, or another work directory",
                )


@dataclass
class DatasetJob:
    """A dataset on its way.

    Attributes
    ----------
    lease : the right to publish it
    tell : called with what is being done
    plans : the folders of its reduction files, by the folder of results that each is for
    reductions : what was made
    """

    name: str
    config: ReductionConfig
    lease: Lease
    notify: Callable[[str], None]
    progress: bool = True
    pypeit_folders: dict[str, Path] = field(default_factory=dict)
    reductions: list[ReductionResult] = field(default_factory=list)
    scorecards: list[Scorecard] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its local place."""
        return local_folder(self.name)

    @property
    def complete(self) -> Path:
        """The local folder of its raw frames and reductions."""
        return self.folder / COMPLETE

    @property
    def remote(self) -> Location:
        """Where its raw frames and reductions are on the remote."""
        return storage.resolve_location(self.config.source) / self.name / COMPLETE

    @property
    def logs(self) -> list[Path]:
        """PypeIt's own log of each reduction file that was run."""
        plans = (path for one in self.reductions for path in one.output.glob("*/*.pypeit"))
        return sorted(path.with_suffix(".log") for path in plans)


def local_folder(name: str) -> Path:
    """The local place of a dataset, `<work_dir>/datasets/mask/config/date`."""
    return settings.load_settings().work_dir / dataset.DATASETS_FOLDER / name


SETUP_PATTERN = re.compile(r"all|[A-Z]+(,[A-Z]+)*")
OUTPUT_FOLDER = "reductions"

SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait for the processes of a killed run to be gone."""


@dataclass(frozen=True)
class ReductionTask:
    """One dataset and how to reduce it; see `reduction.run` for what each part is."""

    raw: Path
    output: Path
    spectrograph: str
    setup: str
    config: tuple[str, ...]
    pypeit_files: Path | None = None

    def inputs(self, found: Sequence[RawFrame]) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new reduction."""
        made = sorted(self.pypeit_files.glob("*/*.pypeit")) if self.pypeit_files else []
        plans = {"plans": {one.name: one.read_text(encoding="utf-8") for one in made}}
        return {
            **(plans if made else {}),
            "raw": str(self.raw),
            "spectrograph": self.spectrograph,
            "setup": self.setup,
            "config": list(self.config),
            "pypeit": installation.pypeit_version(),
            "frames": frames.frame_signatures(found),
        }


def prepare_task(
    raw: str | Path,
    output: str | Path,
    spectrograph: str,
    setup: str,
    config: str | Sequence[str],
    pypeit_files: Path | None = None,
) -> ReductionTask:
    """The checked task.

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument that names nothing; says which and what would do
    ServiceUnavailableError : PypeIt is not installed, or the example frames can't be had
    """
    if not spectrograph and not str(raw):
        spectrograph = kast.KAST_SPECTROGRAPH
    if str(raw) and not spectrograph and not expand_path(raw, "raw").exists():
        # A misspelt dataset more likely than a folder whose spectrograph is not named
        raise InvalidInputError(
            f"the raw folder {expand_path(raw, 'raw')} does not exist",
            "name the folder of the raw frames, or a dataset as mask/config/date",
        )
    installation.check_spectrograph(spectrograph)
    setup = setup.replace(" ", "")
    if not SETUP_PATTERN.fullmatch(setup):
        raise InvalidParameterError(
            f"setup: {setup!r} is no setup of PypeIt", "write all, or a letter such as A, or A,B"
        )
    lines = read_config_lines(config)
    work_dir = settings.load_settings().work_dir
    folder = expand_path(raw, "raw") if str(raw) else kast.get_example_frames(work_dir)
    place = (
        expand_path(output, "output")
        if str(output)
        else work_dir / OUTPUT_FOLDER / _dataset_name(raw, folder)
    )
    if place == folder or folder in place.parents or place in folder.parents:
        raise InvalidInputError(
            f"the output {place} and the raw folder {folder} lie in one another",
            "name an output outside of the raw folder, which is only read",
        )
    if pypeit_files and not any(pypeit_files.glob("*/*.pypeit")):
        raise InvalidInputError(
            f"plans: no reduction file in {pypeit_files}", "it holds <setup>/<setup>.pypeit"
        )
    return ReductionTask(folder, place, spectrograph, setup, lines, pypeit_files)


def read_config_lines(config: str | Sequence[str]) -> tuple[str, ...]:
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
    path = expand_path(config, "config")
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"config: can't read {path}: {error}",
            "give a file with PypeIt's parameter lines, or the lines themselves",
        ) from error


def expand_path(path: str | Path, name: str) -> Path:
    """An absolute path, environment variables and ~ filled in."""
    text = os.path.expandvars(str(path))
    if unset := re.search(r"\$\{?(\w+)", text):
        raise InvalidInputError(
            f"{name}: the environment variable {unset[1]} in {str(path)!r} is not set",
            f"set {unset[1]}, or write the path out",
        )
    return Path(text).expanduser().absolute()


def _dataset_name(raw: str | Path, folder: Path) -> str:
    """The dataset's name: that of its folder, also where the frames are in `raw` below it."""
    if not str(raw):
        return kast.KAST_SPECTROGRAPH
    return folder.parent.name if folder.name == "raw" and folder.parent.name else folder.name
