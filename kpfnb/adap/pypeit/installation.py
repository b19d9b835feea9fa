"""PypeIt as it is installed here: its version, its commands, and the spectrographs it knows.

Nothing here imports PypeIt, which takes seconds.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpfnb.adap.pypeit import log
from kpfnb.compute import programs
from kpfnb.core import atomic, locks
from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError

# A pack of Kast frames and of the data that PypeIt would download, for machines without network.
#
# The environment variable `KPFNB_KAST_PACK` names its folder. Its MANIFEST.json lists what it holds,
# each file with its SHA-256: `raw` frames, files of `pypeit`'s data, and of `astropy`'s. With a pack
# PypeIt is run with download caches of its own in the work directory, and downloads nothing.

PACK_VARIABLE = "KPFNB_KAST_PACK"
PACK_MANIFEST = "MANIFEST.json"

OFFLINE_CONFIG = (
    "[utils.data]\nallow_internet = False\n\n[utils.iers.iers]\nauto_download = False\n"
)
"""astropy's configuration: what is not in the caches is an error at once, not a wait."""


def pack_folder() -> Path | None:
    """The pack's folder; None where none is named. `InvalidSettingsError` where it is not a pack."""
    named = os.environ.get(PACK_VARIABLE)
    if not named:
        return None
    found = Path(named).expanduser().absolute()
    if not (found / PACK_MANIFEST).is_file():
        raise InvalidSettingsError(
            f"{PACK_VARIABLE}: {found} is not a pack of Kast frames (it has no {PACK_MANIFEST})",
            f"name the folder that holds {PACK_MANIFEST} and raw/, or unset {PACK_VARIABLE}",
        )
    return found


def pack_raw_frames(pack: Path) -> Path:
    """The folder of its raw frames, each compared with its checksum."""
    manifest = atomic.read_json(pack / PACK_MANIFEST)
    _check_files(pack, manifest["raw"])
    return (pack / manifest["raw"][0]["path"]).parent


def pack_environment(work_dir: Path) -> dict[str, str]:
    """The variables with which PypeIt finds the pack's data; none where there is no pack.

    The caches are filled where they do not hold this pack yet.
    """
    pack = pack_folder()
    if not pack:
        return {}
    home = work_dir / "pypeit"
    homes = {"XDG_CACHE_HOME": home / "cache", "XDG_CONFIG_HOME": home / "config"}
    variables = {name: str(path) for name, path in homes.items()}
    with locks.acquire_lock("pypeit-caches", wait_seconds=120, folder=work_dir / "locks"):
        content = (pack / PACK_MANIFEST).read_text(encoding="utf-8")
        mark = home / "seeded.json"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != content:
            _seed_caches(pack, homes, variables)
            atomic.write_text(mark, content)
    return variables


def run_in_pypeit(*arguments: str, variables: Mapping[str, str]) -> str:
    """Run `pypeitcache`, which imports PypeIt, in a process of its own; its output.

    `ServiceUnavailableError` where it fails; says why in PypeIt's words.
    """
    done = subprocess.run(
        [sys.executable, "-m", "kpfnb.adap.pypeit.cache_seed", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = log.find_last_exception(done.stderr) or f"exit code {done.returncode}"
        raise ServiceUnavailableError(f"PypeIt's download cache: {reason}")
    return done.stdout


def _seed_caches(pack: Path, homes: Mapping[str, Path], variables: Mapping[str, str]) -> None:
    manifest = atomic.read_json(pack / PACK_MANIFEST)
    _check_files(pack, [*manifest["astropy"], *manifest["pypeit"]])
    for home in homes.values():
        # astropy uses these places only where they exist
        for package in ("astropy", "pypeit"):
            (home / package).mkdir(parents=True, exist_ok=True)
    atomic.write_text(homes["XDG_CONFIG_HOME"] / "astropy/astropy.cfg", OFFLINE_CONFIG)
    run_in_pypeit("seed", str(pack), variables=variables)


def _check_files(pack: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        path = pack / entry["path"]
        if not path.is_file() or _file_sha256(path) != entry["sha256"]:
            raise InvalidInputError(
                f"{path} is missing or damaged", f"get a whole pack for {PACK_VARIABLE}"
            )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


INSTALL_HINT = 'install it beside kpfnb: pip install "kpfnb[pypeit]"'

# In each class of a spectrograph, and nowhere else at this depth
NAME_PATTERN = re.compile(r"^    name = ['\"](\w+)['\"]", re.MULTILINE)

PYPEIT_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
"""One thread, since tasks run side by side; pictures to files, since nobody watches."""


def pypeit_version() -> str:
    """The version of PypeIt installed here; '' where there is none."""
    try:
        return importlib.metadata.version("pypeit")
    except importlib.metadata.PackageNotFoundError:
        return ""


def find_command(name: str) -> Path:
    """A command of PypeIt; `ServiceUnavailableError` where it is not installed."""
    found = programs.find_executable(name)
    if not found:
        raise ServiceUnavailableError(f"PypeIt's command {name} is not here", INSTALL_HINT)
    return found


def list_spectrographs() -> list[str]:
    """The names of all spectrographs that PypeIt knows, sorted; read from its source.

    `ServiceUnavailableError` where PypeIt is not installed.
    """
    found = importlib.util.find_spec("pypeit")
    if not found or not found.submodule_search_locations:
        raise ServiceUnavailableError("PypeIt is not installed here", INSTALL_HINT)
    folder = Path(found.submodule_search_locations[0]) / "spectrographs"
    sources = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return sorted({name for source in sources for name in NAME_PATTERN.findall(source)})


def check_spectrograph(name: str) -> None:
    """`InvalidInputError` with the nearest names where PypeIt does not know that spectrograph."""
    known = list_spectrographs()
    if not name:
        raise InvalidInputError(
            "no spectrograph is named", "name it as PypeIt does, as keck_deimos"
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(known)}"
        raise InvalidInputError(f"PypeIt knows no spectrograph {name!r}", hint)


# The example: nine frames of the Kast spectrograph's blue arm, Shane telescope, 2015 May 20.
#
# PypeIt's own tests use them: an arc, three dome flats, three biases, the standard star Feige 66 and
# one science exposure.

KAST_FRAMES = tuple(f"b{number}.fits.gz" for number in (1, 11, 12, 13, 21, 22, 23, 24, 27))
KAST_SPECTROGRAPH = "shane_kast_blue"


def get_example_frames(work_dir: Path) -> Path:
    """The folder of the nine frames: from the pack, else by PypeIt's own download (8 MB, once).

    `ServiceUnavailableError` where there is neither.
    """
    if found := pack_folder():
        return pack_raw_frames(found)
    folder = work_dir / "kast"
    if not all((folder / name).is_file() for name in KAST_FRAMES):
        list_spectrographs()  # says what to do where PypeIt is not installed
        _download_frames(folder)
    return folder


def _download_frames(folder: Path) -> None:
    try:
        run_in_pypeit("fetch", str(folder), *KAST_FRAMES, variables={})
    except ServiceUnavailableError as error:
        # All in one line: the list of a pipeline's steps shows no more
        raise ServiceUnavailableError(
            "the Kast example frames are not here: connect this machine, or name the folder of a "
            f"pack in {PACK_VARIABLE} (they can't be downloaded: {error.what})",
            "or name a folder of your own frames as raw",
        ) from error
