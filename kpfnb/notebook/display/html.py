"""Links from a notebook to files, which JupyterLab opens when they are below its own directory."""

from __future__ import annotations

import json
import os
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

PARENT_VARIABLE = "JPY_PARENT_PID"
"""JupyterLab tells its kernels the process of its server."""


def link(path: Path, text: str = "") -> str:
    """A file as HTML: a link where JupyterLab can follow it, else only the text."""
    shown = escape(text or str(path))
    target = href(path)
    if not target:
        return shown
    return f'<a href="{escape(target, quote=True)}" target="_blank" rel="noopener">{shown}</a>'


def href(path: Path) -> str:
    """The address of a file relative to the notebook; '' where JupyterLab can't reach it."""
    root = server_root()
    if root is None or not path.absolute().is_relative_to(root):
        return ""
    return quote(os.path.relpath(path.absolute(), Path.cwd()))


@cache
def server_root() -> Path | None:
    """The directory that JupyterLab shows; None where the notebook is not in JupyterLab."""
    parent = os.environ.get(PARENT_VARIABLE)
    if not parent or "JPY_SESSION_NAME" not in os.environ:
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    try:
        told = Path(jupyter_runtime_dir(), f"jpserver-{parent}.json").read_text(encoding="utf-8")
        return Path(json.loads(told)["root_dir"])
    except (OSError, ValueError, KeyError):
        return None
