"""Where a project's files are: `kpfnb.toml`, notebooks, parameter sets and pipelines.

They are looked for beside `kpfnb.toml`, in the current directory, and beside the package itself (a
checkout of kpfnb). Of two files with the same name the first counts.
"""

from __future__ import annotations

from pathlib import Path

import kpfnb

SETTINGS_FILE_NAME = "kpfnb.toml"


def find_settings_file(start: Path | None = None) -> Path | None:
    """The `kpfnb.toml` in `start` (the current directory) or the nearest directory above it."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / SETTINGS_FILE_NAME).is_file():
            return candidate / SETTINGS_FILE_NAME
    return None


def project_dirs(name: str) -> list[Path]:
    """The directories of that name, in the order in which they count; some may not exist."""
    settings_file = find_settings_file()
    tops = [settings_file.parent] if settings_file else []
    tops += [Path.cwd(), Path(kpfnb.__file__).parents[1]]
    return [top / name for top in dict.fromkeys(tops)]


def project_files(folder: str, suffix: str) -> dict[str, Path]:
    """The files with that suffix by their stem, sorted by it."""
    paths = {
        path.stem: path
        for directory in reversed(project_dirs(folder))
        for path in directory.glob(f"*{suffix}")
    }
    return dict(sorted(paths.items()))
