"""PypeIt as it is installed here: its version, its commands, and the spectrographs it knows.

Nothing here imports PypeIt, which takes seconds.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import re
from pathlib import Path

from kpfnb import programs
from kpfnb.errors import BadInput, ServiceUnavailable

INSTALL_HINT = 'install it beside kpfnb: pip install "kpfnb[pypeit]"'

# In each class of a spectrograph, and nowhere else at this depth
NAME = re.compile(r"^    name = ['\"](\w+)['\"]", re.MULTILINE)

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
"""One thread, since tasks run side by side; pictures to files, since nobody watches."""


def version() -> str:
    """The version of PypeIt installed here; '' where there is none."""
    try:
        return importlib.metadata.version("pypeit")
    except importlib.metadata.PackageNotFoundError:
        return ""


def command(name: str) -> Path:
    """A command of PypeIt; `ServiceUnavailable` where it is not installed."""
    found = programs.find(name)
    if not found:
        raise ServiceUnavailable(f"PypeIt's command {name} is not here", INSTALL_HINT)
    return found


def spectrographs() -> list[str]:
    """The names of all spectrographs that PypeIt knows, sorted; read from its source.

    `ServiceUnavailable` where PypeIt is not installed.
    """
    found = importlib.util.find_spec("pypeit")
    if not found or not found.submodule_search_locations:
        raise ServiceUnavailable("PypeIt is not installed here", INSTALL_HINT)
    folder = Path(found.submodule_search_locations[0]) / "spectrographs"
    sources = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return sorted({name for source in sources for name in NAME.findall(source)})


def check_spectrograph(name: str) -> None:
    """`BadInput` with the nearest names where PypeIt does not know that spectrograph."""
    known = spectrographs()
    if not name:
        raise BadInput("no spectrograph is named", "name it as PypeIt does, as keck_deimos")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(known)}"
        raise BadInput(f"PypeIt knows no spectrograph {name!r}", hint)
