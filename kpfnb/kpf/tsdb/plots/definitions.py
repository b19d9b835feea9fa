"""The panels that there are: the package's own, and those that a user has put beside them.

A user's panel is a YAML file in the folder of the setting `panels` (`<work_dir>/panels`); one of
the name of the package's takes its place. A wrong file is refused with its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kpfnb import settings
from kpfnb.errors import BadInput, BadParameter
from kpfnb.kpf.tsdb.plots.panel import GROUPS, UNKNOWN_KEY, Panel, nearest

SUFFIX = ".yml"
OWN = Path(__file__).with_name("panels")

_KEYS = ("group", "panels")
_MEND = "mend the file, or take it out of its folder"

Place = tuple[str | int, ...]


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
    node, data = _parse(path)
    try:
        panels = _contents(data)
    except ValueError as error:
        raise _wrong(path, node, (), str(error)) from None
    found = []
    for name, given in panels.items():
        place: Place = ("panels", name)
        if not isinstance(given, dict):
            raise _wrong(path, node, place, "a panel is a mapping with title and rows")
        own = {"name": str(name), "group": data["group"]}
        for key in own.keys() & given.keys():
            raise _wrong(path, node, (*place, key), f"unknown key {key!r} of a panel")
        try:
            found.append(Panel.model_validate(own | given))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where: Place = (*place, *first["loc"]) if first["loc"] != ("group",) else ("group",)
            if first["type"] == UNKNOWN_KEY:
                where = (*where, first["ctx"]["key"])
            what = first["msg"].removeprefix("Value error, ")
            raise _wrong(path, node, where, what) from None
    return found


def _contents(data: Any) -> Mapping[Any, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("panels"), dict):
        raise ValueError("a file of panels is a mapping with group and panels")
    for key in data:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}; {nearest(key, _KEYS)}")
    if not isinstance(data.get("group"), str):
        raise ValueError("group is missing, or no text")
    panels: Mapping[Any, Any] = data["panels"]
    return panels


def _parse(path: Path) -> tuple[yaml.Node, Any]:
    """The file's nodes, which know their lines, and what they say."""
    try:
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            raise BadInput(f"{path} is empty", _MEND)
        _check_unique(path, node)
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise BadInput(f"{path}{line}: {error.problem}", _MEND) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{path} can't be read: {error}", _MEND) from None


def _check_unique(path: Path, node: yaml.Node) -> None:
    """A key that stands twice is a mistake; plain PyYAML drops the first."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise BadInput(f"{path}, line {_line(key)}: {key.value!r} stands twice", _MEND)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
            _check_unique(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_unique(path, one)


def _wrong(path: Path, node: yaml.Node, place: Place, what: str) -> BadInput:
    shown = ".".join(map(str, place))
    where = f"{shown}: " if shown else ""
    return BadInput(f"{path}, line {_line(_find(node, place))}: {where}{what}", _MEND)


def _find(node: yaml.Node, place: Place) -> yaml.Node:
    """The node nearest to a place; of a key's value, the key."""
    found = node
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                return found
            found, node = pair
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node = node.value[part]
        else:
            return found
    return found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
