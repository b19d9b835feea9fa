"""What is delivered at once: a dataset, or the joint coadds of a configuration; and where to."""

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
from kpfnb.storage import paths as allowed

# Which files are delivered and which keywords the tables hold: data, in a YAML file.

DEFAULT_RULES = Path(__file__).with_name("koa.yml")
ANY_BELOW = "**"


class ArchiveRules(StrictModel):
    """The content of a file of rules; `koa.yml` tells what each part is."""

    deliver: Annotated[tuple[str, ...], Field(min_length=1)]
    leave: tuple[str, ...] = ()
    reduced: dict[str, str]
    coadded_spectrum: dict[str, str]
    coadded_header: dict[str, str]
    digits: dict[str, int] = {}

    def is_delivered(self, path: str) -> bool:
        """True for a file that goes to the archive, by its path below the unit."""
        return not self.is_excluded(path) and _matches_any(path, self.deliver)

    def is_excluded(self, path: str) -> bool:
        """True for a file that is known, and does not go there."""
        return _matches_any(path, self.leave)


def load_rules(path: str | Path = "") -> ArchiveRules:
    """The rules in a file; '' for those of KOA. `InvalidInputError` names what is wrong in it."""
    file = Path(path).expanduser() if path else DEFAULT_RULES
    document = strict_yaml.read_yaml(file, hint=f"compare it with {DEFAULT_RULES.name}")
    return document.parse(ArchiveRules, document.require_mapping("a file of rules"))


def _matches_any(path: str, patterns: tuple[str, ...]) -> bool:
    ways = [path.split("/"), path.removeprefix(f"{dataset.COMPLETE}/").split("/")]
    return any(
        _matches_pattern(parts, pattern.split("/")) for pattern in patterns for parts in ways
    )


def _matches_pattern(parts: list[str], pattern: list[str]) -> bool:
    if pattern[-1] == ANY_BELOW:
        pattern = pattern[:-1]
        if len(parts) <= len(pattern):
            return False
        parts = parts[: len(pattern)]
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))


COADD_1D, COADD_2D = "1D_Coadd", "2D_Coadd"
JOINT_FOLDERS = (COADD_1D, COADD_2D)
OMITTED_FOLDERS = (dataset.COMPLETE, "reduce")
MANIFEST_FOLDER = "manifest"
"""The folder of a delivery that is no mask's."""


@dataclass(frozen=True, order=True)
class ArchiveUnit:
    """A dataset (`mask/config/date`), or all that was coadded over the dates of `mask/config`."""

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
        """Where its manifest is, below the delivery."""
        return f"{MANIFEST_FOLDER}/{self.name}{'/joint' if self.is_joint else ''}.json"

    def owns(self, path: str) -> bool:
        """True for a path below its folder that is its own."""
        return not self.is_joint or path.partition("/")[0] in JOINT_FOLDERS

    def files(self, root: Path) -> list[str]:
        """Its files below `root/<name>`, sorted; what a killed writer left is none."""
        top = root / self.name
        tops = [top / joint for joint in JOINT_FOLDERS] if self.is_joint else [top]
        found = (path for folder in tops for path in folder.rglob("*") if path.is_file())
        paths = (path.relative_to(top).as_posix() for path in found)
        return sorted(path for path in paths if not allowed.is_temporary(path))


def parse_unit(name: str) -> ArchiveUnit:
    """The unit of that name. `InvalidInputError` says what is wrong with it."""
    text = name.strip().rstrip("/")
    is_joint = text.count("/") == 1
    unit = ArchiveUnit(allowed.check_path(text) if is_joint else str(dataset.parse_dataset(text)))
    if unit.name.partition("/")[0] == MANIFEST_FOLDER:
        raise InvalidInputError(
            f"{name!r}: no mask may be called {MANIFEST_FOLDER}", "rename its folder"
        )
    return unit


def archive_path(path: str) -> str:
    """The place of a file in its unit of the delivery: `complete` and `reduce` are left out.

    path : below the unit; `complete/reduce/setup_A/Science/x.fits` becomes `setup_A/Science/x.fits`
    """
    *folders, file = path.split("/")
    return "/".join([*(part for part in folders if part not in OMITTED_FOLDERS), file])


def find_units(root: Location) -> list[ArchiveUnit]:
    """All units below a place: its datasets, and configurations that have joint coadds."""
    if root.kind() != "folder":
        return []
    paths = [one.path for one in root.list(depth=3) if one.is_folder]
    return [
        ArchiveUnit(name) for name in [*dataset.select_dataset_names(paths), *_joint_names(paths)]
    ]


def has_joint_coadds(place: Location) -> bool:
    """True where the configuration at that place has joint coadds."""
    return any(one.is_folder and one.path in JOINT_FOLDERS for one in place.list())


def _joint_names(paths: Iterable[str]) -> list[str]:
    found = (path.rpartition("/") for path in paths)
    return sorted(
        {above for above, _, name in found if name in JOINT_FOLDERS and above.count("/") == 1}
    )


# What a unit has for the archive: its files and where they go, what is wrong, and what is odd.

FITS_SUFFIXES = (".fits", ".fits.gz")
MODEL_KEYWORD = "DMODCLS"
"""The keyword by which PypeIt says what a file or an extension holds."""


@dataclass(frozen=True)
class UnitContent:
    """The files of a unit, looked at.

    Attributes
    ----------
    files : place below the unit in the delivery, and path below the unit here; by place
    models : what PypeIt calls the first extensions of each FITS file among them, by place
    problems : why files that should be delivered can't be, by path here
    unrecognised : paths of files that no rule knows
    """

    files: dict[str, str]
    models: dict[str, frozenset[str]]
    problems: dict[str, str]
    unrecognised: tuple[str, ...]

    def places_of_model(self, model: str, folder: str) -> list[str]:
        """The places of FITS files of that kind that are below a folder of that name."""
        return [p for p, m in self.models.items() if model in m and folder in p.split("/")[:-1]]


def scan_unit(root: Path, unit: ArchiveUnit, rules: ArchiveRules) -> UnitContent:
    """Look at all files of a unit below `root`, and into the first headers of the FITS files."""
    paths = unit.files(root)
    wanted = [path for path in paths if rules.is_delivered(path)]
    known = {*wanted, *(path for path in paths if rules.is_excluded(path))}
    problems = _rejected_files(wanted)
    models: dict[str, frozenset[str]] = {}
    odd = [path for path in paths if path not in known]
    for path in [path for path in wanted if path.endswith(FITS_SUFFIXES) and path not in problems]:
        try:
            models[path] = _read_models(root / unit.name / path)
        except InvalidHeaderError as error:
            problems[path] = f"damaged: {error.reason}"
            continue
        if not models[path]:
            odd.append(path)
    files = {archive_path(p): p for p in wanted if p not in problems and p not in odd}
    placed = {place: models[path] for place, path in files.items() if path in models}
    return UnitContent(dict(sorted(files.items())), placed, problems, tuple(sorted(odd)))


def _rejected_files(paths: Iterable[str]) -> dict[str, str]:
    """Files that can't be carried, and those that would have the same place."""
    problems = {path: wrong for path in paths if (wrong := allowed.invalid_path_reason(path))}
    places = defaultdict(list)
    for path in paths:
        places[archive_path(path)].append(path)
    for place, several in places.items():
        if len(several) > 1:
            problems |= dict.fromkeys(several, f"{len(several)} files would become {place}")
    return problems


def _read_models(path: Path) -> frozenset[str]:
    """What PypeIt calls the primary and the first extension; `InvalidHeaderError` for a file that is cut."""
    found = set()
    for number, hdu in enumerate(headers.iterate_hdus(path)):
        if number < 2:
            found.add(str(cards.select_values(hdu.header, [MODEL_KEYWORD]).get(MODEL_KEYWORD, "")))
    return frozenset(found - {""})
