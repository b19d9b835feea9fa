"""The directories that JupyterLab's server shows, and the file of a path below them.

Nothing outside of them is shown: no path with `..`, no link that leads out, no hidden file, nothing
that its owner keeps from others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from kpfnb.core.settings import Settings

WORK_FOLDERS = (
    "runs", "timeseries", "nights", "reprocess", "datasets", "prepared", "reductions", "coadding",
    "rescoring", "simulated", "delivery", "watch", "scorecard.html", "scorecard.js",
)  # fmt: skip
"""What pages lie in, or lead to, in the work directory."""
WORK_PATTERNS = ("queues/*/logs",)

READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


class PageRefusedError(Exception):
    """A path that is not shown."""


class PageMissingError(Exception):
    """A path that could be shown does not exist."""


def list_roots(settings: Settings) -> tuple[Path, ...]:
    """The files and directories that the settings allow to be shown, with all that is in them."""
    work_dir = settings.work_dir
    roots = [settings.runs_dir, settings.qlp_path, *settings.page_dirs]
    roots += [work_dir / name for name in WORK_FOLDERS]
    roots += [path for pattern in WORK_PATTERNS for path in work_dir.glob(pattern)]
    roots += [settings.drp_log_dir] if settings.drp_log_dir else []
    # A remote that is a directory of this machine has datasets or deliveries
    roots += [Path(place) for place in settings.remotes.values() if place.startswith("/")]
    return tuple(dict.fromkeys(roots))


def find_shown_path(url_path: str, roots: Sequence[Path]) -> Path:
    """The real path, all links followed, that a URL below `kpfnb/files/` means.

    url_path : decoded, without the slash before it

    Raises
    ------
    PageRefusedError : it is not below a root, or leads out, or is hidden or private
    PageMissingError : there is no such file or directory
    """
    if "\0" in url_path or {".", ".."} & set(url_path.split("/")):
        raise PageRefusedError(f"/{url_path!r} is not a plain path")
    path = Path("/" + url_path.strip("/"))
    if not _find_root(path, roots):
        raise PageRefusedError(f"{path} is in none of the directories that are shown here")
    real_roots = [root.resolve() for root in roots]
    try:
        real = path.resolve()
        root = _find_root(real, real_roots)
        if not root:
            raise PageRefusedError(f"{path} is a link out of the directories that are shown here")
        if _is_hidden(path, roots) or _is_hidden(real, real_roots):
            raise PageRefusedError(f"{path} is hidden")
        for part in _parts_below(real, root):
            _check_access(part)
    except PermissionError:
        raise PageRefusedError(f"you have no permission to read {path}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise PageMissingError(f"{path} does not exist") from None
    except (OSError, RuntimeError) as error:  # a name too long, a circle of links
        raise PageMissingError(f"{path} can't be read: {error}") from None
    return real


def _find_root(path: Path, roots: Sequence[Path]) -> Path | None:
    """The deepest root that contains a path."""
    inside = [root for root in roots if path.is_relative_to(root)]
    return max(inside, key=lambda root: len(root.parts), default=None)


def _is_hidden(path: Path, roots: Sequence[Path]) -> bool:
    root = _find_root(path, roots)
    return root is not None and any(part.startswith(".") for part in path.relative_to(root).parts)


def _parts_below(path: Path, root: Path) -> Iterator[Path]:
    """The path and the directories between it and its root."""
    while path.is_relative_to(root):
        yield path
        path = path.parent


def _check_access(path: Path) -> None:
    """Refuse what is no file or directory, and what another user keeps from all others.

    The system does the second, except for an administrator.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise PageRefusedError(f"{path} is not a file")
    if status.st_uid != os.geteuid() and not status.st_mode & READABLE_BY_OTHERS:
        raise PageRefusedError(f"{path} is private to its owner")
