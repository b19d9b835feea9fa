"""The criteria read strictly from their YAML file: what is wrong is refused with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kpfnb.errors import BadSettings
from kpfnb.kpf.obsid import KPF
from kpfnb.kpf.quicklook.quality import Limits, Verdict
from kpfnb.kpf.verdict.rules import ACROSS, MAX_NIGHTS, STATISTICS, Criteria, Level, Measure, Rule
from kpfnb.settings import Settings

PACKAGED = Path(__file__).with_name("criteria.yml")
LINE = "the line of a mapping"


def path(settings: Settings) -> Path:
    """The file with the criteria: that of the settings, else the package's own."""
    return settings.verdict_criteria or PACKAGED


def load(file: Path = PACKAGED) -> Criteria:
    """Read the criteria; `BadSettings` names the file, the line and what is wrong there."""
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
        return _criteria(file, found)
    except OSError as error:
        raise _refusal(f"{file}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(f"{file}:{mark.line + 1 if mark else 1}: {error.problem}") from None
    except (_Wrong, UnicodeDecodeError, yaml.YAMLError) as error:
        place = f"{file}:{error.line}" if isinstance(error, _Wrong) else str(file)
        raise _refusal(f"{place}: {error}") from None


class _Wrong(Exception):
    """Something in the file that can't be; with the line of the mapping that holds it."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class _Loader(yaml.SafeLoader):
    """Remembers the line of each mapping, and refuses a key that stands twice in one."""

    def construct_mapping(self, node: Any, deep: bool = True) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep=True)
        if len(found) < len(node.value):
            names = [key.value for key, _ in node.value]
            twice = next(name for name in names if names.count(name) > 1)
            raise _Wrong(node.start_mark.line + 1, f"{twice!r} stands twice")
        return {**found, LINE: node.start_mark.line + 1}

    def construct_yaml_map(self, node: Any) -> Any:
        yield self.construct_mapping(node)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)


def _refusal(what: str) -> BadSettings:
    return BadSettings(f"the criteria of the verdict, {what}", f"{PACKAGED.name} tells how")


def _criteria(file: Path, found: Any) -> Criteria:
    if not isinstance(found, dict):
        raise _Wrong(1, "there are no kinds and rules in it")
    _only(found, {"kinds", "rules"})
    kinds = {name: _kind(name, asked) for name, asked in _mapping(found, "kinds").items()}
    entries = found.get("rules")
    if not isinstance(entries, list) or not entries:
        raise _Wrong(found[LINE], "rules: a list of rules is wanted")
    rules = [_rule(entry, kinds) for entry in entries]
    for number, rule in enumerate(rules):
        if rule.name in {one.name for one in rules[:number]}:
            raise _Wrong(entries[number][LINE], f"a second rule {rule.name!r}")
    return Criteria(file, kinds, tuple(rules))


def _kind(name: str, asked: Any) -> dict[str, str]:
    if not isinstance(asked, dict) or len(asked) < 2:
        raise _Wrong(asked[LINE] if isinstance(asked, dict) else 1, f"kind {name}: no keyword")
    return {keyword: str(value) for keyword, value in asked.items() if keyword != LINE}


def _rule(entry: Any, kinds: Mapping[str, Any]) -> Rule:
    if not isinstance(entry, dict):
        raise _Wrong(1, f"{entry!r} is no rule")
    line = entry[LINE]
    name = str(entry.get("name", ""))
    try:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            raise ValueError(f"name {name!r}: small letters, digits and hyphens are wanted")
        return _made(name, entry, kinds)
    except (ValueError, TypeError) as error:
        raise _Wrong(line, f"rule {name}: {error}" if name else str(error)) from None


def _made(name: str, entry: dict[str, Any], kinds: Mapping[str, Any]) -> Rule:
    measures = [one for one in Measure if one in entry]
    if len(measures) != 1:
        raise ValueError(f"one of {', '.join(Measure)} is wanted, not {len(measures)} of them")
    [measure] = measures
    allowed = _COMMON | _OWN[measure] | {str(measure)}
    if unknown := [key for key in entry if key not in allowed | {LINE}]:
        raise ValueError(f"{unknown[0]!r} is not known; known: {', '.join(sorted(allowed))}")
    if lacking := sorted((_COMMON - _OPTIONAL | _NEEDED[measure]) - entry.keys()):
        raise ValueError(f"{', '.join(lacking)} is not given")
    return Rule(
        name=name,
        level=Level(_choice(entry, "level", tuple(Level))),
        title=_text(entry, "title"),
        reason=_text(entry, "reason"),
        measure=measure,
        names=_names(measure, entry[measure]),
        kinds=_kinds(entry.get("of", entry["count"] if measure == "count" else []), kinds),
        warn=_limits(entry, "warn"),
        fail=_limits(entry, "fail"),
        source=_choice(entry, "from", tuple(KPF.levels)) if "from" in entry else "",
        across=_choice(entry, "across", ACROSS, "median"),
        statistic=_choice(entry, "statistic", STATISTICS, "median"),
        scale=_number("scale", entry.get("scale", 1.0)),
        nights=_nights(entry.get("nights", 1)),
        none=Verdict(_choice(entry, "none", tuple(Verdict), "WARN")),
        unit=str(entry.get("unit", "")),
    )


_COMMON = {"name", "level", "title", "reason", "warn", "fail", "nights", "none", "unit"}
_OPTIONAL = {"nights", "none", "unit"}
_OWN: dict[Measure, set[str]] = {
    Measure.COUNT: set(),
    Measure.KEYWORD: {"from", "of", "across", "statistic", "scale"},
    Measure.FLAGS: {"from", "of"},
    Measure.PRODUCTS: {"of"},
    Measure.MASTERS: set(),
    Measure.QUICKLOOK: {"of"},
}
_NEEDED = {one: own & {"from", "of"} for one, own in _OWN.items()}


def _names(measure: Measure, value: Any) -> tuple[str, ...]:
    names = [str(one) for one in (value if isinstance(value, list) else [value])]
    if not names or not all(names):
        raise ValueError(f"{measure}: nothing is named")
    if measure in (Measure.PRODUCTS, Measure.QUICKLOOK):
        levels = KPF.products if measure is Measure.PRODUCTS else tuple(KPF.levels)
        if odd := [one for one in names if one not in levels]:
            raise ValueError(f"{measure}: {odd[0]!r} is not among {', '.join(levels)}")
    if measure in (Measure.KEYWORD, Measure.FLAGS):
        return tuple(name for one in names for name in _keywords(one))
    return tuple(names)


def _keywords(text: str) -> list[str]:
    """`STDWGS[00-34]` is 35 keywords."""
    match = re.fullmatch(r"(?P<stem>[A-Z0-9_-]+)(\[(?P<low>\d+)-(?P<high>\d+)\])?", text)
    if not match:
        raise ValueError(f"{text!r} is no keyword")
    if match["low"] is None:
        return [text]
    width = len(match["low"])
    found = [
        f"{match['stem']}{n:0{width}d}" for n in range(int(match["low"]), int(match["high"]) + 1)
    ]
    if not found:
        raise ValueError(f"{text!r} is empty")
    return found


def _kinds(value: Any, kinds: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(str(one) for one in (value if isinstance(value, list) else [value]))
    if odd := [one for one in names if one not in kinds]:
        raise ValueError(f"no kind {odd[0]!r}; there are {', '.join(kinds)}")
    return names


def _limits(entry: Mapping[str, Any], name: str) -> Limits:
    value = entry[name]
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{name}: [low, high] is wanted, not {value!r}")
    low, high = (None if one is None else _number(name, one) for one in value)
    if low is not None and high is not None and low > high:
        raise ValueError(f"{name}: {low:g} is above {high:g}")
    return Limits(low, high)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: {value!r} is no number")
    return float(value)


def _nights(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_NIGHTS:
        raise ValueError(f"nights: {value!r} is not from 1 to {MAX_NIGHTS}")
    return value


def _text(entry: Mapping[str, Any], name: str) -> str:
    if not isinstance(entry[name], str) or not entry[name].strip():
        raise ValueError(f"{name}: a text is wanted")
    return str(entry[name])


def _choice(
    entry: Mapping[str, Any], name: str, choices: tuple[str, ...], otherwise: str = ""
) -> str:
    value = str(entry.get(name, otherwise))
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    return value


def _mapping(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    if not isinstance(value, dict):
        raise _Wrong(found[LINE], f"{name}: a mapping is wanted")
    return {key: one for key, one in value.items() if key != LINE}


def _only(found: Mapping[str, Any], known: set[str]) -> None:
    if unknown := [key for key in found if key not in known | {LINE}]:
        raise _Wrong(found[LINE], f"{unknown[0]!r} is not known; known: {', '.join(sorted(known))}")
