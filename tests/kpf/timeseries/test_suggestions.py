"""Forms suggest what is in the database, or what KPF writes."""

from __future__ import annotations

import pytest

from kpfnb.kpf.timeseries import suggestions
from kpfnb.notebook.form.suggestions import complete_text, find_source
from kpfnb.notebook.parameter_kinds import parse_kind
from kpfnb.notebook.parameters import Parameter


@pytest.mark.usefixtures("isolated")
def test_without_a_database_all_keywords_of_kpf_are_suggested() -> None:
    columns = suggestions.suggest_columns()
    assert columns["CCFRV"] == "[km/s] Velocity of SCI, both CCDs"
    assert "STDWGS07" in columns and "kpfgreen.STA_CCD_T" in columns
    assert "NFRAMES" not in columns  # of masters, which are not in the database
    flags = suggestions.suggest_flags()
    assert flags["GUIDGOOD"] and "AIRMASS" not in flags
    assert suggestions.suggest_objects() == {}


@pytest.mark.usefixtures("night")
def test_with_a_database_its_keywords_and_stars_are_suggested() -> None:
    assert {"kpfmet.TEMP", "OBJECT"} <= {*suggestions.suggest_columns()}
    assert "CCFRV" not in suggestions.suggest_columns()
    panels = suggestions.suggest_panels()
    assert panels["hallway"] == "The <hallway>"
    assert complete_text("hall", panels) == ("hallway",)
    assert {*suggestions.suggest_stars()} <= {*suggestions.suggest_objects()}


@pytest.mark.parametrize("name", ["panel", "keywords", "where", "object", "star", "source", "qc"])
def test_a_field_of_that_name_finds_them_in_any_notebook(name: str) -> None:
    assert find_source(Parameter(name, parse_kind("list[str]"), []))
