"""The files of a project by name: notebooks and pipelines.

They are looked for beside `kpfnb.toml`, in the current directory, and beside the package itself (a
checkout of kpfnb). Of two with the same name the first found counts.
"""

from __future__ import annotations

from pathlib import Path

import kpfnb
from kpfnb.core import settings


def project_dirs(name: str) -> list[Path]:
    """The directories of that name, the one that counts most first; they need not be there."""
    file = settings.find_settings_file()
    tops = [file.parent] if file else []
    tops += [Path.cwd(), Path(kpfnb.__file__).parents[1]]
    return [top / name for top in dict.fromkeys(tops)]


def project_files(folder: str, suffix: str) -> dict[str, Path]:
    """The files with that suffix by their stem, sorted by it."""
    found = {
        path.stem: path for top in reversed(project_dirs(folder)) for path in top.glob(f"*{suffix}")
    }
    return dict(sorted(found.items()))
