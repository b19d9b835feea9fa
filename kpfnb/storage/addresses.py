"""Places by the names that people give them: `remote:path/below`, or a local path."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kpfnb import settings
from kpfnb.errors import BadInput, BadSettings
from kpfnb.storage import names
from kpfnb.storage.location import Location

# No connection string (`:s3,secret=...:`): settings are shown to people
_SPEC = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@ -]*:[^\x00-\x1f]*|/[^\x00-\x1f]*")


def at(place: str | Path | Location) -> Location:
    """The place named `remote:path/below` (a remote of the settings), or by a local path.

    Raises
    ------
    BadInput : no such remote, or a character that is not allowed
    BadSettings : the remote's entry in the settings can't be used
    """
    if isinstance(place, Location):
        return place
    label, colon, below = str(place).partition(":")
    if isinstance(place, Path) or not colon or "/" in label:
        return _local(str(place))
    remotes = settings.load().remotes
    if label not in remotes:
        known = ", ".join(sorted(remotes)) or "none"
        raise BadInput(
            f"no remote {label!a} in the settings (known: {known})",
            f'set KPFNB_REMOTES=\'{{"{label}": "rclone-remote:bucket/folder"}}\', or in kpfnb.toml'
            if not names.defect(label)
            else "write remote:path/below",
        )
    base = os.path.expanduser(remotes[label])  # noqa: PTH111
    if not _SPEC.fullmatch(base):
        raise BadSettings(
            f"remote {label}: can't be used",
            "write remotes as rclone-remote:bucket/folder, credentials in rclone's configuration",
        )
    top = Location(base if base.endswith((":", "/")) else base.rstrip("/"), label=label)
    return top / below.rstrip("/") if below.rstrip("/") else top


def _local(path: str) -> Location:
    full = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
    if not full.isprintable():
        raise BadInput(f"{path!a} has characters that nobody can see", "name another place")
    return Location(full)
