"""The form of the notebook timeseries suggests what is in the database, or what KPF writes."""

from __future__ import annotations

import pytest

from kpfnb.kpf.timeseries import suggest_parameters
from kpfnb.notebook.form.suggestions import complete_text, load_suggestions


@pytest.mark.usefixtures("isolated")
def test_without_a_database_all_keywords_of_kpf_are_suggested() -> None:
    known = suggest_parameters()
    assert known["keywords"]["CCFRV"] == "[km/s] Velocity of SCI, both CCDs"
    assert "STDWGS07" in known["where"] and "kpfgreen.STA_CCD_T" in known["keywords"]
    assert "NFRAMES" not in known["keywords"]  # of masters, which are not in the database
    assert known["qc"]["GUIDGOOD"] and "AIRMASS" not in known["qc"]
    assert "Star" in known["source"]


@pytest.mark.usefixtures("night")
def test_with_a_database_its_keywords_are_suggested() -> None:
    known = suggest_parameters()
    assert {"kpfmet.TEMP", "OBJECT"} <= {*known["keywords"]}
    assert "CCFRV" not in known["keywords"]
    assert known["panel"]["hallway"] == "The <hallway>"
    assert complete_text("hall", known["panel"]) == ("hallway",)


@pytest.mark.usefixtures("isolated")
def test_the_notebook_finds_them() -> None:
    assert load_suggestions("timeseries").keys() == suggest_parameters().keys()
