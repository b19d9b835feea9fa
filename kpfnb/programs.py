"""Where a program is that kpfnb starts."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def find(name: str) -> Path | None:
    """The program of that name on PATH or beside this Python, else None; a path stands for itself.

    cron starts kpfnb with a bare PATH, on which programs of the same environment are not found.
    """
    beside = str(Path(sys.executable).parent)
    places = os.pathsep.join(filter(None, [os.environ.get("PATH", os.defpath), beside]))
    found = shutil.which(name, path=places)
    return Path(found).absolute() if found else None
