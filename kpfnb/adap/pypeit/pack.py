"""A pack of Kast frames and of the data that PypeIt would download, for machines without network.

The environment variable `KPFNB_KAST_PACK` names its folder. Its MANIFEST.json lists what it holds,
each file with its SHA-256: `raw` frames, files of `pypeit`'s data, and of `astropy`'s. With a pack
PypeIt is run with download caches of its own in the work directory, and downloads nothing.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpfnb import files, locks
from kpfnb.adap.pypeit import pypeitlog
from kpfnb.errors import BadInput, BadSettings, ServiceUnavailable

VARIABLE = "KPFNB_KAST_PACK"
MANIFEST = "MANIFEST.json"

OFFLINE = "[utils.data]\nallow_internet = False\n\n[utils.iers.iers]\nauto_download = False\n"
"""astropy's configuration: what is not in the caches is an error at once, not a wait."""


def folder() -> Path | None:
    """The pack's folder; None where none is named. `BadSettings` where it is not a pack."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    found = Path(named).expanduser().absolute()
    if not (found / MANIFEST).is_file():
        raise BadSettings(
            f"{VARIABLE}: {found} is not a pack of Kast frames (it has no {MANIFEST})",
            f"name the folder that holds {MANIFEST} and raw/, or unset {VARIABLE}",
        )
    return found


def raw_frames(pack: Path) -> Path:
    """The folder of its raw frames, each compared with its checksum."""
    manifest = files.read_json(pack / MANIFEST)
    _check(pack, manifest["raw"])
    return (pack / manifest["raw"][0]["path"]).parent


def environment(work_dir: Path) -> dict[str, str]:
    """The variables with which PypeIt finds the pack's data; none where there is no pack.

    The caches are filled where they do not hold this pack yet.
    """
    pack = folder()
    if not pack:
        return {}
    home = work_dir / "pypeit"
    homes = {"XDG_CACHE_HOME": home / "cache", "XDG_CONFIG_HOME": home / "config"}
    variables = {name: str(path) for name, path in homes.items()}
    with locks.hold("pypeit-caches", wait_seconds=120, folder=work_dir / "locks"):
        content = (pack / MANIFEST).read_text(encoding="utf-8")
        mark = home / "seeded.json"
        if not mark.is_file() or mark.read_text(encoding="utf-8") != content:
            _seed(pack, homes, variables)
            files.write_text(mark, content)
    return variables


def in_pypeit(*arguments: str, variables: Mapping[str, str]) -> str:
    """Run `pypeitcache`, which imports PypeIt, in a process of its own; its output.

    `ServiceUnavailable` where it fails; says why in PypeIt's words.
    """
    done = subprocess.run(
        [sys.executable, "-m", "kpfnb.adap.pypeit.pypeitcache", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = pypeitlog.last_exception(done.stderr) or f"exit code {done.returncode}"
        raise ServiceUnavailable(f"PypeIt's download cache: {reason}")
    return done.stdout


def _seed(pack: Path, homes: Mapping[str, Path], variables: Mapping[str, str]) -> None:
    manifest = files.read_json(pack / MANIFEST)
    _check(pack, [*manifest["astropy"], *manifest["pypeit"]])
    for home in homes.values():
        # astropy uses these places only where they exist
        for package in ("astropy", "pypeit"):
            (home / package).mkdir(parents=True, exist_ok=True)
    files.write_text(homes["XDG_CONFIG_HOME"] / "astropy/astropy.cfg", OFFLINE)
    in_pypeit("seed", str(pack), variables=variables)


def _check(pack: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        path = pack / entry["path"]
        if not path.is_file() or _sha256(path) != entry["sha256"]:
            raise BadInput(f"{path} is missing or damaged", f"get a whole pack for {VARIABLE}")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
