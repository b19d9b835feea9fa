"""The files of the project: `kpfnb.toml`, the notebooks, sets of parameters and pipelines."""

from __future__ import annotations

import os
from pathlib import Path

import kpfnb

SETTINGS_FILE_NAME = "kpfnb.toml"

PROJECT_VARIABLE = "KPFNB_PROJECT_DIR"
"""The directory in which `kpfnb lab` was started: its kernels start in another one."""

PACKAGED_PROJECT = Path(kpfnb.__file__).with_name("project")
"""Where a wheel has what a checkout has beside the package: notebooks, params, pipelines."""


def project_dir() -> Path:
    """The current directory; in a kernel of `kpfnb lab` the one in which that was started."""
    return Path(os.environ.get(PROJECT_VARIABLE) or Path.cwd())


def find_settings_file(start: Path | None = None) -> Path | None:
    """The `kpfnb.toml` in `start` (the project's directory) or the nearest directory above it."""
    folder = (start or project_dir()).resolve()
    candidates = (parent / SETTINGS_FILE_NAME for parent in (folder, *folder.parents))
    return next((file for file in candidates if file.is_file()), None)


def project_dirs(name: str) -> list[Path]:
    """The directories of that name, such as `notebooks`; some may not exist.

    In order of precedence: beside `kpfnb.toml`, in the project's directory, beside the package (a
    checkout of kpfnb), and in the package (an installed wheel).
    """
    settings_file = find_settings_file()
    tops = [settings_file.parent] if settings_file else []
    tops += [project_dir(), Path(kpfnb.__file__).parents[1], PACKAGED_PROJECT]
    return [top / name for top in dict.fromkeys(tops)]


def project_files(folder: str, suffix: str) -> dict[str, Path]:
    """Stem to file, for the files with that suffix; of two with one name the first counts."""
    paths = {
        path.stem: path
        for directory in reversed(project_dirs(folder))
        for path in directory.glob(f"*{suffix}")
    }
    return dict(sorted(paths.items()))
