"""Conditions, sources and objects as people type them."""

from __future__ import annotations

from typing import Any

import pytest

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.timeseries import selection


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("AIRMASS<1.5", ["AIRMASS", "<", 1.5]),
        ("kpfmet.TEMP >= 19", ["kpfmet.TEMP", ">=", 19.0]),
        ("L1:DRPTAG == v2.9", ["L1:DRPTAG", "==", "v2.9"]),
        ("OBJECT != 'tau Cet'", ["OBJECT", "!=", "tau Cet"]),
    ],
)
def test_conditions_are_read(text: str, parsed: list[Any]) -> None:
    assert selection.parse_condition_texts([text]) == [parsed]


def test_an_object_may_have_several_spellings() -> None:
    values = ["HD 10700", "10700", "tau_Cet", None, ""]
    assert selection.resolve_objects(["hd10700"], values) == ["10700", "HD 10700"]
    assert selection.resolve_objects(["10700"], values) == ["10700"]
    assert selection.resolve_objects(["Tau Cet"], values) == ["tau_Cet"]
    with pytest.raises(InvalidParameterError, match="did you mean tau_Cet"):
        selection.resolve_objects(["tua cet"], values)


def test_sources_have_any_case() -> None:
    assert selection.resolve_sources(["star", "LFC"]) == ["Star", "LFC"]
