"""PypeIt as installed on this machine: version, commands, spectrographs, example frames.

Nothing here imports PypeIt, which takes seconds.

Machines without network use an offline pack: the Kast example frames, and the data that PypeIt
would download. The environment variable `KPFNB_KAST_PACK` names its directory. Its MANIFEST.json
lists each file with its SHA-256: `raw` frames, files of `pypeit`'s data, and of `astropy`'s. With a
pack PypeIt runs with its own download caches in the work directory, and downloads nothing.
"""

from __future__ import annotations

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
from kpfnb.core.text import suggest_name

INSTALL_HINT = 'install it beside kpfnb: pip install "kpfnb[pypeit]"'

# In each class of a spectrograph, and nowhere else at this depth
NAME_PATTERN = re.compile(r"^    name = ['\"](\w+)['\"]", re.MULTILINE)

PYPEIT_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
"""One thread, because runs share the machine; plots go to files."""

KAST_FRAMES = tuple(f"b{number}.fits.gz" for number in (1, 11, 12, 13, 21, 22, 23, 24, 27))
"""The example of PypeIt's own tests: the blue arm of the Kast spectrograph, Shane telescope,
2015 May 20. An arc, three dome flats, three biases, the standard star Feige 66 and one science
exposure."""
KAST_SPECTROGRAPH = "shane_kast_blue"

PACK_VARIABLE = "KPFNB_KAST_PACK"
PACK_MANIFEST = "MANIFEST.json"

OFFLINE_CONFIG = (
    "[utils.data]\nallow_internet = False\n\n[utils.iers.iers]\nauto_download = False\n"
)
"""astropy's configuration: a file that is missing in the caches is an error at once, not a wait."""


def pypeit_version() -> str:
    """The installed version of PypeIt; '' if it is not installed."""
    try:
        return importlib.metadata.version("pypeit")
    except importlib.metadata.PackageNotFoundError:
        return ""


def find_command(name: str) -> Path:
    """The path of a PypeIt command; `ServiceUnavailableError` if it is not installed."""
    path = programs.find_executable(name)
    if not path:
        raise ServiceUnavailableError(f"PypeIt's command {name} is not installed", INSTALL_HINT)
    return path


def list_spectrographs() -> list[str]:
    """The names of all spectrographs that PypeIt supports, sorted; read from its source.

    `ServiceUnavailableError` if PypeIt is not installed.
    """
    spec = importlib.util.find_spec("pypeit")
    if not spec or not spec.submodule_search_locations:
        raise ServiceUnavailableError("PypeIt is not installed", INSTALL_HINT)
    folder = Path(spec.submodule_search_locations[0]) / "spectrographs"
    sources = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return sorted({name for source in sources for name in NAME_PATTERN.findall(source)})


def check_spectrograph(name: str) -> None:
    """`InvalidInputError` with the most similar names if PypeIt has no such spectrograph."""
    known = list_spectrographs()
    if not name:
        raise InvalidInputError(
            "no spectrograph is named", "use PypeIt's name of it, for example keck_deimos"
        )
    if name not in known:
        raise InvalidInputError(f"PypeIt has no spectrograph {name!r}", suggest_name(name, known))


def get_example_frames(work_dir: Path) -> Path:
    """The directory of the nine example frames: of the pack, or downloaded by PypeIt (8 MB, once).

    `ServiceUnavailableError` if there is no pack and the download fails.
    """
    if pack := pack_folder():
        return pack_raw_frames(pack)
    folder = work_dir / "kast"
    if not all((folder / name).is_file() for name in KAST_FRAMES):
        list_spectrographs()  # says what to do if PypeIt is not installed
        _download_frames(folder)
    return folder


def _download_frames(folder: Path) -> None:
    try:
        run_in_pypeit("fetch", str(folder), *KAST_FRAMES, variables={})
    except ServiceUnavailableError as error:
        # All in one line: the list of a pipeline's steps shows no more
        raise ServiceUnavailableError(
            "the Kast example frames are missing: connect this machine, or name the directory of a "
            f"pack in {PACK_VARIABLE} (they can't be downloaded: {error.what})",
            "or name a directory of your own frames as raw",
        ) from error


def pack_folder() -> Path | None:
    """The pack's directory; None without one. `InvalidSettingsError` if it is not a pack."""
    value = os.environ.get(PACK_VARIABLE)
    if not value:
        return None
    folder = Path(value).expanduser().absolute()
    if not (folder / PACK_MANIFEST).is_file():
        raise InvalidSettingsError(
            f"{PACK_VARIABLE}: {folder} is not a pack of Kast frames (it has no {PACK_MANIFEST})",
            f"name the directory that holds {PACK_MANIFEST} and raw/, or unset {PACK_VARIABLE}",
        )
    return folder


def pack_raw_frames(pack: Path) -> Path:
    """The directory of its raw frames, each compared with its checksum."""
    manifest = atomic.read_json(pack / PACK_MANIFEST)
    _check_files(pack, manifest["raw"])
    return (pack / manifest["raw"][0]["path"]).parent


def pack_environment(work_dir: Path) -> dict[str, str]:
    """The environment variables with which PypeIt uses the pack's data; empty without a pack.

    Fills the caches unless they were filled from the same pack.
    """
    pack = pack_folder()
    if not pack:
        return {}
    home = work_dir / "pypeit"
    homes = {"XDG_CACHE_HOME": home / "cache", "XDG_CONFIG_HOME": home / "config"}
    variables = {name: str(path) for name, path in homes.items()}
    with locks.acquire_lock("pypeit-caches", wait_seconds=120, folder=work_dir / "locks"):
        manifest = (pack / PACK_MANIFEST).read_text(encoding="utf-8")
        seeded = home / "seeded.json"
        if not seeded.is_file() or seeded.read_text(encoding="utf-8") != manifest:
            _seed_caches(pack, homes, variables)
            atomic.write_text(seeded, manifest)
    return variables


def run_in_pypeit(*arguments: str, variables: Mapping[str, str]) -> str:
    """Run `cache_seed`, which imports PypeIt, in its own process; returns its output.

    `ServiceUnavailableError` with PypeIt's message if it fails.
    """
    process = subprocess.run(
        [sys.executable, "-m", "kpfnb.adap.pypeit.cache_seed", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        reason = log.find_last_exception(process.stderr) or f"exit code {process.returncode}"
        raise ServiceUnavailableError(f"PypeIt's download cache: {reason}")
    return process.stdout


def _seed_caches(pack: Path, homes: Mapping[str, Path], variables: Mapping[str, str]) -> None:
    manifest = atomic.read_json(pack / PACK_MANIFEST)
    _check_files(pack, [*manifest["astropy"], *manifest["pypeit"]])
    for home in homes.values():
        # astropy uses these directories only if they exist
        for package in ("astropy", "pypeit"):
            (home / package).mkdir(parents=True, exist_ok=True)
    atomic.write_text(homes["XDG_CONFIG_HOME"] / "astropy/astropy.cfg", OFFLINE_CONFIG)
    run_in_pypeit("seed", str(pack), variables=variables)


def _check_files(pack: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        path = pack / entry["path"]
        if not path.is_file() or _file_sha256(path) != entry["sha256"]:
            raise InvalidInputError(
                f"{path} is missing or damaged", f"get a complete pack for {PACK_VARIABLE}"
            )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
