"""What is to be reduced, and how: the configuration, the task of one folder, the job of a dataset.

All of it is checked before any work starts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpfnb import storage
from kpfnb.adap.products import dataset, remote_datasets
from kpfnb.adap.products.dataset import COMPLETE, RawFrame
from kpfnb.adap.profiles.spectrograph import Profile, load_profile
from kpfnb.adap.pypeit import installation
from kpfnb.adap.pypeit.command import CommandLimits
from kpfnb.adap.reduce.result import ReductionResult
from kpfnb.adap.score.scorecard import Scorecard
from kpfnb.core import settings
from kpfnb.core.errors import InvalidInputError, InvalidParameterError
from kpfnb.queue.lease import Lease
from kpfnb.storage import Location

SETUP_PATTERN = re.compile(r"all|[A-Z]+(,[A-Z]+)*")
OUTPUT_FOLDER = "reductions"

SHUTDOWN_WAIT_SECONDS = 60
"""How long to wait until the processes of a killed run have ended."""


@dataclass(frozen=True, kw_only=True)
class ReductionConfig:
    """How to reduce: built once by the command, the notebook or the queue task, and passed whole.

    Attributes
    ----------
    spectrograph : PypeIt's name of it, as keck_deimos; for datasets the name of a profile, or the
        path of a profile's file; may be '' with the example frames
    setup : PypeIt's letter of the setup to reduce, several with commas, or all
    parameters : the user's parameters in PypeIt's notation: lines, one text, or a file's name
    silence_minutes : a command whose log is silent for longer is stopped; 0 for no limit
    timeout_minutes : a command that takes longer is stopped; 0 for no limit
    force : reduce even if the products are complete and their inputs unchanged
    source, backup : of datasets: where they are, and where their results are backed up (`REMOTE:`
        or a folder); no backup if empty
    custom : of datasets: folder of their own parameter and reduction files; '' for none
    exclude : of datasets: file with the names of frames not to use; '' for none
    sheet : of datasets: write the scorecards into the sheet
    keep : of datasets: keep the local copy
    """

    spectrograph: str = ""
    setup: str = "all"
    parameters: str | Sequence[str] = ()
    silence_minutes: float = 30
    timeout_minutes: float = 0
    force: bool = False
    source: str = remote_datasets.DATA_REMOTE
    backup: str = remote_datasets.BACKUP_REMOTE
    custom: str = ""
    exclude: str = ""
    sheet: bool = True
    keep: bool = False

    @property
    def limits(self) -> CommandLimits:
        """The limits of each command."""
        return CommandLimits(self.silence_minutes, self.timeout_minutes)

    @property
    def has_backup(self) -> bool:
        """False if no backup is wanted, or the settings have no such remote."""
        label, colon, _ = self.backup.partition(":")
        return bool(self.backup) and (not colon or label in settings.load_settings().remotes)

    def load_profile(self) -> Profile:
        """The profile of the spectrograph, with all that concerns datasets checked.

        Raises
        ------
        InvalidInputError, InvalidParameterError : no such profile, spectrograph or file
        ServiceUnavailableError : PypeIt is not installed
        """
        profile = load_profile(self.spectrograph)
        installation.check_spectrograph(profile.spectrograph)
        for option, path in (("custom", self.custom), ("exclude", self.exclude)):
            if path and not Path(path).expanduser().exists():
                raise InvalidInputError(f"{option}: {path} does not exist", "check the name")
        return profile

    def check_places(self, name: str) -> None:
        """`InvalidInputError` if a dataset would be reduced in the very folder of its remote.

        The local copy is removed at the end: it must not be the data themselves.
        """
        local = local_folder(name).resolve()
        for place in (self.source, *([self.backup] if self.has_backup else [])):
            location = storage.resolve_location(place) / name
            remote = Path(location.argument).resolve()
            overlaps = remote.is_relative_to(local) or local.is_relative_to(remote)
            if location.is_local and overlaps:
                raise InvalidInputError(
                    f"{place} is the folder in which {name} is reduced ({local})",
                    "name another folder or remote, or another work directory",
                )


@dataclass(frozen=True)
class ReductionTask:
    """A folder of raw frames to reduce, with every name resolved.

    Attributes
    ----------
    parameters : the user's lines in PypeIt's notation
    pypeit_files : a folder of reduction files, `<setup>/<setup>.pypeit`; None to make them
    """

    raw: Path
    output: Path
    spectrograph: str
    setup: str
    parameters: tuple[str, ...]
    pypeit_files: Path | None = None

    def inputs(self, frames: Sequence[RawFrame]) -> dict[str, Any]:
        """All that the products depend on, as JSON: unchanged inputs need no new reduction."""
        paths = sorted(self.pypeit_files.glob("*/*.pypeit")) if self.pypeit_files else []
        plans = {"plans": {path.name: path.read_text(encoding="utf-8") for path in paths}}
        return {
            **(plans if paths else {}),
            "raw": str(self.raw),
            "spectrograph": self.spectrograph,
            "setup": self.setup,
            "config": list(self.parameters),
            "pypeit": installation.pypeit_version(),
            "frames": dataset.frame_signatures(frames),
        }


@dataclass
class DatasetJob:
    """A dataset on its way through the stages of its reduction.

    Attributes
    ----------
    lease : the right to publish its results
    notify : called with what is being done
    pypeit_folders : the folder of reduction files for each folder of results, by its name
    reductions, scorecards : the results so far
    """

    name: str
    config: ReductionConfig
    profile: Profile
    lease: Lease
    notify: Callable[[str], None]
    progress: bool = True
    pypeit_folders: dict[str, Path] = field(default_factory=dict)
    reductions: list[ReductionResult] = field(default_factory=list)
    scorecards: list[Scorecard] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Its local folder."""
        return local_folder(self.name)

    @property
    def complete(self) -> Path:
        """The local folder of its raw frames and reductions."""
        return self.folder / COMPLETE

    @property
    def remote(self) -> Location:
        """Where its raw frames and reductions are on the remote."""
        return remote_folder(self.name, self.config)

    @property
    def logs(self) -> list[Path]:
        """PypeIt's own log of each reduction file that was run."""
        paths = (path for result in self.reductions for path in result.output.glob("*/*.pypeit"))
        return sorted(path.with_suffix(".log") for path in paths)


def local_folder(name: str) -> Path:
    """The local folder of a dataset, `<work_dir>/datasets/mask/config/date`."""
    return settings.load_settings().work_dir / dataset.DATASETS_FOLDER / name


def remote_folder(name: str, config: ReductionConfig) -> Location:
    """The folder of a dataset's raw frames and reductions on the remote."""
    return storage.resolve_location(config.source) / name / COMPLETE


def prepare_task(
    raw: str | Path,
    output: str | Path,
    config: ReductionConfig,
    pypeit_files: Path | None = None,
) -> ReductionTask:
    """The checked task; see `kpfnb.adap.reduce.run.reduce_folder` for the parameters.

    Raises
    ------
    InvalidInputError, InvalidParameterError : an argument names nothing usable; says which one,
        and what would do
    ServiceUnavailableError : PypeIt is not installed, or the example frames are not available
    """
    spectrograph = config.spectrograph
    if not spectrograph and not str(raw):
        spectrograph = installation.KAST_SPECTROGRAPH
    if str(raw) and not spectrograph and not expand_path(raw, "raw").exists():
        # More likely a misspelt dataset than a folder without a spectrograph
        raise InvalidInputError(
            f"the raw folder {expand_path(raw, 'raw')} does not exist",
            "name the folder of the raw frames, or a dataset as mask/config/date",
        )
    installation.check_spectrograph(spectrograph)
    setup = config.setup.replace(" ", "")
    if not SETUP_PATTERN.fullmatch(setup):
        raise InvalidParameterError(
            f"setup: {setup!r} is not a setup of PypeIt",
            "write all, or a letter such as A, or A,B",
        )
    lines = read_parameter_lines(config.parameters)
    work_dir = settings.load_settings().work_dir
    folder = expand_path(raw, "raw") if str(raw) else installation.get_example_frames(work_dir)
    if str(output):
        place = expand_path(output, "output")
    else:
        place = work_dir / OUTPUT_FOLDER / _dataset_name(raw, folder)
    if place == folder or folder in place.parents or place in folder.parents:
        raise InvalidInputError(
            f"the output {place} and the raw folder {folder} overlap",
            "name an output outside the raw folder, which is only read",
        )
    if pypeit_files and not any(pypeit_files.glob("*/*.pypeit")):
        raise InvalidInputError(
            f"no reduction file in {pypeit_files}", "it holds <setup>/<setup>.pypeit"
        )
    return ReductionTask(folder, place, spectrograph, setup, lines, pypeit_files)


def read_parameter_lines(parameters: str | Sequence[str]) -> tuple[str, ...]:
    """The user's PypeIt parameters, given as a list of lines, one text, or a file's name.

    A list with one entry that does not begin a section is a file's name, too: a form has no other
    way to name a file.
    """
    if not isinstance(parameters, str):
        if len(parameters) != 1 or parameters[0].lstrip().startswith("["):
            return tuple(parameters)
        parameters = parameters[0]
    if not parameters.strip():
        return ()
    if "\n" in parameters or parameters.lstrip().startswith("["):
        return tuple(parameters.splitlines())
    path = expand_path(parameters, "config")
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"config: can't read {path}: {error}",
            "give a file with PypeIt's parameter lines, or the lines themselves",
        ) from error


def expand_path(path: str | Path, option: str) -> Path:
    """An absolute path, environment variables and ~ filled in; `option` is for the error."""
    text = os.path.expandvars(str(path))
    if unset := re.search(r"\$\{?(\w+)", text):
        raise InvalidInputError(
            f"{option}: the environment variable {unset[1]} in {str(path)!r} is not set",
            f"set {unset[1]}, or write the path out",
        )
    return Path(text).expanduser().absolute()


def _dataset_name(raw: str | Path, folder: Path) -> str:
    """The name of the dataset's folder, which is the parent if the frames are in `raw`."""
    if not str(raw):
        return installation.KAST_SPECTROGRAPH
    return folder.parent.name if folder.name == "raw" and folder.parent.name else folder.name
