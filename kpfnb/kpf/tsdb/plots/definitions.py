"""The panels that there are: the package's own, and those that a user has put beside them.

A user's panel is a YAML file in the folder of the setting `panels` (`<work_dir>/panels`); one of
the name of the package's takes its place. A wrong file is refused with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kpfnb import settings, yamlfile
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.tsdb.plots.panel import GROUPS, Panel
from kpfnb.yamlfile import nearest

SUFFIX = ".yml"
OWN = Path(__file__).with_name("panels")

_KEYS = ("group", "panels")
_MEND = "mend the file, or take it out of its folder"


def folder() -> Path:
    """Where a user's panels are."""
    here = settings.load()
    return here.panels or here.work_dir / "panels"


def load() -> dict[str, Panel]:
    """All panels by name, in the order in which they are shown.

    Raises
    ------
    BadInput : a file is wrong; names it and the line
    """
    found: dict[str, Panel] = {}
    for place in (OWN, folder()):
        here: dict[str, Path] = {}
        for path in sorted(place.glob(f"*{SUFFIX}")):
            for panel in read(path):
                if panel.name in here:
                    raise BadInput(
                        f"{path}: panel {panel.name} is in {here[panel.name]} too", _MEND
                    )
                here[panel.name] = path
                found[panel.name] = panel
    rank = {group: number for number, group in enumerate(GROUPS)}
    ordered = sorted(found.values(), key=lambda one: (rank.get(one.group, len(rank)), one.group))
    return {panel.name: panel for panel in ordered}


def choose(names: Sequence[str]) -> dict[str, Panel]:
    """The panels of those names, or of those groups; all where none is named."""
    panels = load()
    if not names:
        return panels
    chosen: dict[str, Panel] = {}
    for name in names:
        some = {k: one for k, one in panels.items() if name == k or name == one.group}
        if not some:
            groups = {one.group for one in panels.values()}
            hint = nearest(name, [*panels, *groups]) if len(name) > 1 else "see kpfnb timeseries"
            raise BadParameter(f"no panel {name!r}", f"{hint}; list: kpfnb timeseries --list")
        chosen |= some
    return chosen


def read(path: Path) -> list[Panel]:
    """The panels of one file. `BadInput` names the file, the line and what is wrong there."""
    document = yamlfile.read(path, hint=_MEND)
    data = document.mapping("a file of panels")
    for key in data:
        if key not in _KEYS:
            raise document.wrong(f"unknown key {key!r}; {nearest(key, _KEYS)}", key)
    panels = data.get("panels")
    if not isinstance(panels, dict) or not isinstance(data.get("group"), str):
        raise document.wrong("a file of panels has group and panels")
    found = []
    for name, given in panels.items():
        if not isinstance(given, dict):
            raise document.wrong("a panel is a mapping with title and rows", "panels", name)
        own = {"name": str(name), "group": data["group"]}
        for key in own.keys() & given.keys():
            raise document.wrong(f"unknown key {key!r} of a panel", "panels", name, key)
        found.append(document.parse(Panel, own | given, ("panels", name)))
    return found
