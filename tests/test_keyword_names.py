"""No invented keyword: what the package names exists in real KPF files, or begins with SIM.

The reference is the catalogue of keywords, `kpfnb/kpf/files/keywords.csv`. What the simulator
writes is checked in `tests/demo/test_simulated_keywords.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kpfnb.kpf import quicklook, verdict
from kpfnb.kpf.files.keywords import expand_family, is_known, read_catalogue, suggest_keyword
from kpfnb.kpf.tsdb.plots.panel import PACKAGE_PANELS, read_panel_file

PROJECT = Path(__file__).parents[1]
THRESHOLDS = Path(quicklook.__file__).with_name("thresholds.yml")
CRITERIA = Path(verdict.__file__).with_name("criteria.yml")

DATABASE_COLUMNS = {"SOURCE"}
"""Columns that the time-series database adds."""

OTHER_WORDS = {
    # values and verdicts
    *("PASS", "WARN", "FAIL", "TRUE", "YES", "NIGHT"),
    # orderlets and parts of names of extensions
    *("SCI1", "SCI2", "SCI3", "FLUX", "WAVE", "BASE", "XTENSION", "IMAGE"),
    # images, plots, columns and exported names
    *("RGBA", "JPEG", "BJD_BCV", "RED_BIAS", "DATECODE", "MEASURES"),
    # SQL, PostgreSQL, Redis and the queue
    *("CREATE", "ALTER", "JOIN", "BEGIN", "LIST", "QUEUE", "PGDMP"),
}
"""Words in upper case in the code of kpfnb.kpf that are not keywords. Add no keyword here."""


def is_real(name: str) -> bool:
    return is_known(name) or name.startswith("SIM")


def check_names(names: Iterator[str]) -> None:
    unknown = sorted({name for name in names if not is_real(name)})
    assert not unknown, (
        f"not in keywords.csv: {[(name, suggest_keyword(name)) for name in unknown]}"
    )


def threshold_names() -> Iterator[str]:
    document = yaml.safe_load(THRESHOLDS.read_text(encoding="utf-8"))
    for section in document.values():
        for group in ("flags", "ranges"):
            yield from _names_below(section.get(group))


def criteria_names() -> Iterator[str]:
    document = yaml.safe_load(CRITERIA.read_text(encoding="utf-8"))
    for kind in document["kinds"].values():
        yield from kind
    for rule in document["rules"]:
        for key in ("keyword", "flags", "valid", "telemetry"):
            yield from _as_list(rule.get(key))


def _names_below(node: object) -> Iterator[str]:
    """Keywords anywhere below a node of thresholds.yml."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("keyword", "telemetry", "minus"):
                yield from _as_list(value)
            elif key in ("when", "expected"):
                yield from value
            elif isinstance(key, str) and re.fullmatch(r"[A-Z0-9_-]{3,8}", key):
                yield key
            else:
                yield from _names_below(value)
    elif isinstance(node, list):
        for item in node:
            yield from _names_below(item)


def _as_list(value: object) -> list[str]:
    names = [] if value is None else value if isinstance(value, list) else [value]
    return [member for name in names for member in expand_family(str(name))]


def test_keywords_of_the_quicklook_checks_are_real():
    check_names(threshold_names())


def test_keywords_of_the_criteria_are_real():
    check_names(criteria_names())


def test_both_lists_of_rules_are_read():
    assert {"NOTJUNK", "SNRSC548"} <= {*threshold_names()}
    assert {"IMTYPE", "STDWGS07", "kpfgreen.STA_CCD_T"} <= {*criteria_names()}


@pytest.mark.parametrize("path", sorted(PACKAGE_PANELS.glob("*.yml")), ids=lambda path: path.stem)
def test_keywords_of_the_panels_are_real(path: Path):
    check_names(
        _column_name(name)
        for panel in read_panel_file(path)
        for name in panel.keywords()
        if name not in DATABASE_COLUMNS
    )


def _column_name(column: str) -> str:
    """The keyword of a column: without its level (L1:AIRMASS) or statistic (SENSOR:stddev)."""
    level, _, name = column.rpartition(":") if re.match(r"(L0|2D|L1|L2):", column) else ("", "", "")
    return name if level else column.partition(":")[0]


@pytest.mark.parametrize(
    "path", sorted(PROJECT.glob("params/timeseries.*.yml")), ids=lambda path: path.name
)
def test_keywords_of_the_parameters_are_real(path: Path):
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    conditions = [re.split(r"\s*[<>=!]", text)[0] for text in values.get("where", [])]
    names = [*values.get("keywords", []), *values.get("qc", []), *conditions]
    check_names(_column_name(name) for name in names)


def upper_case_words(path: Path) -> Iterator[tuple[int, str]]:
    """The constants in upper case of a module: line and word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for value in node.values
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in parts:
            continue
        if re.fullmatch(r"(?=.*[A-Z].*[A-Z])[A-Z0-9][A-Z0-9_-]{3,7}", str(node.value)):
            yield node.lineno, str(node.value)


def test_upper_case_words_of_the_code_are_real_keywords():
    extensions = {keyword.extension for keyword in read_catalogue()}
    named_extensions = {word for name in _real_extensions() for word in (name, *name.split("_"))}
    families = {keyword.name.partition("[")[0] for keyword in read_catalogue()}
    known = extensions | named_extensions | families | OTHER_WORDS | DATABASE_COLUMNS
    unknown = [
        f"{path.relative_to(PROJECT)}:{line}: {word}"
        for path in sorted(PROJECT.glob("kpfnb/kpf/**/*.py"))
        for line, word in upper_case_words(path)
        if word not in known and not is_real(word)
    ]
    assert not unknown, "neither a keyword of keywords.csv nor in OTHER_WORDS: " + "; ".join(
        unknown
    )


def _real_extensions() -> list[str]:
    """Extensions of L0, 2D, L1 and L2 files, by the pipeline's documentation."""
    spectra = [f"{kind}{number}" for kind in ("FLUX", "VAR", "WAVE") for number in (1, 2, 3)]
    return [
        *("RECEIPT", "CONFIG", "TELEMETRY", "GUIDER_AVG", "GUIDER_CUBE_ORIGINS", "ACTIVITY"),
        *("SOLAR_IRRADIANCE", "EXPMETER_SCI", "EXPMETER_SKY", "CA_HK", "BARY_CORR", "RV"),
        *(f"{camera}_{part}" for camera in ("GREEN", "RED") for part in ("CCD", "VAR", *spectra)),
        *(f"{camera}_AMP{number}" for camera in ("GREEN", "RED") for number in (1, 2, 3, 4)),
    ]


def test_the_scan_finds_an_invented_keyword(tmp_path: Path):
    module = tmp_path / "module.py"
    module.write_text('value = header.get("GRCCDTMP")\nlevel = f"{camera}_CCD"\n')
    assert [word for _, word in upper_case_words(module)] == ["GRCCDTMP"]
    assert not is_real("GRCCDTMP")
