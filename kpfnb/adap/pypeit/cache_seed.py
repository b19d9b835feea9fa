"""A process that fills PypeIt's download cache, from an offline pack or from the network.

Started as `python -m kpfnb.adap.pypeit.cache_seed seed PACK` or `... fetch FOLDER NAME...`: it has
to import PypeIt, which takes seconds and changes how a process logs and warns.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kpfnb.core import atomic


def seed_caches(pack: Path) -> None:
    """Put the pack's files into the caches of astropy and PypeIt, as if downloaded."""
    from astropy.utils import data

    manifest = json.loads((pack / "MANIFEST.json").read_text(encoding="utf-8"))
    # Before the import of PypeIt, which looks up observatories
    for entry in manifest["astropy"]:
        data.import_file_to_cache(data.conf.dataurl + entry["name"], str(pack / entry["path"]))
    from pypeit import cache

    for entry in manifest["pypeit"]:
        cache.write_file_to_cache(str(pack / entry["path"]), entry["name"], entry["subdir"])


def fetch_frames(folder: Path, names: Sequence[str]) -> None:
    """Download PypeIt's own example frames into a directory; existing ones are kept."""
    from pypeit import dataPaths

    for name in names:
        if not (folder / name).is_file():
            with atomic.replace_atomically(folder / name) as temporary:
                shutil.copyfile(dataPaths.tests.get_file_path(name), temporary)


if __name__ == "__main__":
    task, directory, *frames = sys.argv[1:]
    if task == "seed":
        seed_caches(Path(directory))
    else:
        fetch_frames(Path(directory), frames)
