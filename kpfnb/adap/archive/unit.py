"""A unit of a delivery: a dataset, or the joint coadds of a configuration; its files by rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field

from kpfnb.adap.products import dataset
from kpfnb.core import strict_yaml
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import cards, headers
from kpfnb.core.fits.headers import InvalidHeaderError
from kpfnb.core.strict_yaml import StrictModel
from kpfnb.storage import Location
from kpfnb.storage.paths import check_path, invalid_path_reason, is_temporary

COADD_1D, COADD_2D = "1D_Coadd", "2D_Coadd"
JOINT_FOLDERS = (COADD_1D, COADD_2D)
OMITTED_FOLDERS = (dataset.COMPLETE, "reduce")
MANIFEST_FOLDER = "manifest"
"""The folder of a delivery that does not belong to a mask."""
FITS_SUFFIXES = (".fits", ".fits.gz")
MODEL_KEYWORD = "DMODCLS"
"""The keyword by which PypeIt says what a file or an extension holds."""
DEFAULT_RULES = Path(__file__).with_name("koa.yml")
ANY_BELOW = "**"


class ArchiveRules(StrictModel):
    """Which files are delivered, and which keywords are in the tables; see `koa.yml`."""

    deliver: Annotated[tuple[str, ...], Field(min_length=1)]
    leave: tuple[str, ...] = ()
    reduced: dict[str, str]
    coadded_spectrum: dict[str, str]
    coadded_header: dict[str, str]
    digits: dict[str, int] = {}

    def is_delivered(self, path: str) -> bool:
        """True for a file to be delivered, by its path below the unit."""
        return not self.is_excluded(path) and _matches_any(path, self.deliver)

    def is_excluded(self, path: str) -> bool:
        """True for a known file that is not to be delivered."""
        return _matches_any(path, self.leave)


def load_rules(path: str | Path = "") -> ArchiveRules:
    """The rules in a file; '' for KOA's. `InvalidInputError` says what is wrong in the file."""
    file = Path(path).expanduser() if path else DEFAULT_RULES
    document = strict_yaml.read_yaml(file, hint=f"compare it with {DEFAULT_RULES.name}")
    return document.parse(ArchiveRules, document.require_mapping("a file of rules"))


def _matches_any(path: str, patterns: tuple[str, ...]) -> bool:
    paths = [path.split("/"), path.removeprefix(f"{dataset.COMPLETE}/").split("/")]
    return any(
        _matches_pattern(parts, pattern.split("/")) for pattern in patterns for parts in paths
    )


def _matches_pattern(parts: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == ANY_BELOW:
        pattern = pattern[:-1]
        if len(parts) <= len(pattern):
            return False
        parts = parts[: len(pattern)]
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


@dataclass(frozen=True, order=True)
class ArchiveUnit:
    """A dataset (`mask/config/date`), or the coadds over all dates of a configuration."""

    name: str

    @property
    def is_joint(self) -> bool:
        """True for the joint coadds of a configuration."""
        return self.name.count("/") == 1

    @property
    def config(self) -> str:
        """`mask/config`."""
        return "/".join(self.name.split("/")[:2])

    @property
    def manifest(self) -> str:
        """The path of its manifest in the delivery."""
        return f"{MANIFEST_FOLDER}/{self.name}{'/joint' if self.is_joint else ''}.json"

    def owns(self, path: str) -> bool:
        """True for a path below its folder that belongs to it."""
        return not self.is_joint or path.partition("/")[0] in JOINT_FOLDERS

    def files(self, root: Path) -> list[str]:
        """Its files below `root/<name>`, sorted, without the temporary ones of a killed writer."""
        top = root / self.name
        folders = [top / joint for joint in JOINT_FOLDERS] if self.is_joint else [top]
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        paths = (path.relative_to(top).as_posix() for path in files)
        return sorted(path for path in paths if not is_temporary(path))


def parse_unit(name: str) -> ArchiveUnit:
    """The unit of that name. `InvalidInputError` says what is wrong with the name."""
    text = name.strip().rstrip("/")
    is_joint = text.count("/") == 1
    unit = ArchiveUnit(check_path(text) if is_joint else str(dataset.parse_dataset(text)))
    if unit.name.partition("/")[0] == MANIFEST_FOLDER:
        raise InvalidInputError(
            f"{name!r}: no mask may be called {MANIFEST_FOLDER}", "rename its folder"
        )
    return unit


def archive_path(path: str) -> str:
    """The place of a file in its unit of the delivery, without `complete` and `reduce`.

    path : below the unit; `complete/reduce/setup_A/Science/x.fits` becomes `setup_A/Science/x.fits`
    """
    *folders, file = path.split("/")
    return "/".join([*(part for part in folders if part not in OMITTED_FOLDERS), file])


def find_units(root: Location) -> list[ArchiveUnit]:
    """All units below a place: its datasets, and its configurations with joint coadds."""
    if root.kind() != "folder":
        return []
    paths = [entry.path for entry in root.list(depth=3) if entry.is_folder]
    names = [*dataset.select_dataset_names(paths), *_joint_names(paths)]
    return [ArchiveUnit(name) for name in names]


def has_joint_coadds(place: Location) -> bool:
    """True if the configuration at that place has joint coadds."""
    return any(entry.is_folder and entry.path in JOINT_FOLDERS for entry in place.list())


def _joint_names(paths: Iterable[str]) -> list[str]:
    split = (path.rpartition("/") for path in paths)
    return sorted({top for top, _, name in split if name in JOINT_FOLDERS and top.count("/") == 1})


@dataclass(frozen=True)
class UnitContent:
    """The files of a unit, sorted by what happens to them.

    Attributes
    ----------
    files : the local path below the unit, by the place below the unit in the delivery
    models : what PypeIt calls the first extensions of each FITS file among them, by place
    problems : why files that should be delivered can't be, by local path
    unrecognised : local paths of files that no rule knows
    """

    files: dict[str, str]
    models: dict[str, frozenset[str]]
    problems: dict[str, str]
    unrecognised: tuple[str, ...]

    def places_of_model(self, model: str, folder: str) -> list[str]:
        """The places of FITS files of that kind that are below a folder of that name."""
        return [
            place
            for place, models in self.models.items()
            if model in models and folder in place.split("/")[:-1]
        ]


def scan_unit(root: Path, unit: ArchiveUnit, rules: ArchiveRules) -> UnitContent:
    """Scan the files of a unit below `root`, and the first headers of its FITS files."""
    paths = unit.files(root)
    wanted = [path for path in paths if rules.is_delivered(path)]
    known = {*wanted, *(path for path in paths if rules.is_excluded(path))}
    unrecognised = [path for path in paths if path not in known]
    problems = _rejected_files(wanted)
    models: dict[str, frozenset[str]] = {}
    for path in [path for path in wanted if path.endswith(FITS_SUFFIXES) and path not in problems]:
        try:
            models[path] = _read_models(root / unit.name / path)
        except InvalidHeaderError as error:
            problems[path] = f"damaged: {error.reason}"
            continue
        if not models[path]:
            unrecognised.append(path)
    rejected = {*problems, *unrecognised}
    files = {archive_path(path): path for path in wanted if path not in rejected}
    models_by_place = {place: models[path] for place, path in files.items() if path in models}
    return UnitContent(
        dict(sorted(files.items())), models_by_place, problems, tuple(sorted(unrecognised))
    )


def _rejected_files(paths: Iterable[str]) -> dict[str, str]:
    """Files that can't be transferred, and those that would have the same place."""
    problems = {path: reason for path in paths if (reason := invalid_path_reason(path))}
    by_place = defaultdict(list)
    for path in paths:
        by_place[archive_path(path)].append(path)
    for place, same_place in by_place.items():
        if len(same_place) > 1:
            reason = f"{len(same_place)} files would become {place}"
            problems |= dict.fromkeys(same_place, reason)
    return problems


def _read_models(path: Path) -> frozenset[str]:
    """PypeIt's names of the first two HDUs; `InvalidHeaderError` for a file that is cut off."""
    models = set()
    # All HDUs, so that a cut off file is noticed
    for number, hdu in enumerate(headers.iterate_hdus(path)):
        if number < 2:
            values = cards.select_values(hdu.header, [MODEL_KEYWORD])
            models.add(str(values.get(MODEL_KEYWORD, "")))
    return frozenset(models - {""})
