"""The part that must import PypeIt: its download cache, filled from a pack or from the network.

Run in a process of its own, `python -m kpfnb.adap.pypeit.cache_seed seed PACK` or `fetch FOLDER
NAME...`: the import takes seconds, and changes how the process logs and warns.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kpfnb.core import atomic


def seed_caches(pack: Path) -> None:
    """Put the pack's files into the caches, as if they had been downloaded."""
    from astropy.utils import data

    manifest = json.loads((pack / "MANIFEST.json").read_text(encoding="utf-8"))
    # Before PypeIt is imported, which looks up observatories
    for entry in manifest["astropy"]:
        data.import_file_to_cache(data.conf.dataurl + entry["name"], str(pack / entry["path"]))
    from pypeit import cache

    for entry in manifest["pypeit"]:
        cache.write_file_to_cache(str(pack / entry["path"]), entry["name"], entry["subdir"])


def fetch_frames(folder: Path, names: Sequence[str]) -> None:
    """PypeIt's own example frames, each downloaded once, into a folder."""
    from pypeit import dataPaths

    for name in names:
        if not (folder / name).is_file():
            with atomic.replace_atomically(folder / name) as temporary:
                shutil.copyfile(dataPaths.tests.get_file_path(name), temporary)


if __name__ == "__main__":
    task, place, *rest = sys.argv[1:]
    if task == "seed":
        seed_caches(Path(place))
    else:
        fetch_frames(Path(place), rest)
