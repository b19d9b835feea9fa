"""Parameters: what a cell declares, and what values are let through."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.clock import check_night
from kpfnb.core.errors import InvalidParameterError, KpfnbError
from kpfnb.notebook.parameter_kinds import ParameterKind, parse_kind
from kpfnb.notebook.parameters import (
    Parameter,
    parse_declarations,
    resolve_parameters,
    validate_parameters,
)

TYPES: dict[str, type] = {
    "str": str,
    "path": str,
    "int": int,
    "int[-5, 64]": int,
    "float": float,
    "float[0.5, 1e3]": float,
    "bool": bool,
    "list[str]": list,
    "choice[L0, 2D]": str,
    "subset[2D, L1, L2]": list,
    "list[path]": list,
    "night": str,
    "moment": str,
    "targets": list,
    "version": str,
}

ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**400, "1" * 5000, "-", "v", "v2.", "2024_101", "20240230"]),
        st.floats(),
        st.text(),
        st.binary(),
        st.dates().map(lambda day: day.strftime("%Y%m%d")),
    ),
    lambda values: st.one_of(st.lists(values), st.dictionaries(st.text(), values)),
)


def parameter(kind: str, default: Any = None) -> Parameter:
    return Parameter("name", parse_kind(kind), default, "what it is")


@pytest.mark.parametrize(
    ("kind", "value", "checked"),
    [
        ("str", 20240131, "20240131"),
        ("str", "", ""),
        ("int", "5", 5),
        ("int", -5, -5),
        ("int[1, 64]", 64, 64),
        ("float", 1, 1.0),
        ("float", "1e-3", 0.001),
        ("float[0.5, 1.5]", "0.5", 0.5),
        ("bool", "true", True),
        ("bool", "No", False),
        ("bool", 1, True),
        ("list[str]", "a, b,,c ", ["a", "b", "c"]),
        ("list[str]", ["a", 2], ["a", "2"]),
        ("list[str]", "", []),
        ("choice[a-b, c]", "a-b", "a-b"),
        ("choice[1, 2]", 1, "1"),
        ("subset[2D, L1, L2]", "L1,2D", ["L1", "2D"]),
        ("night", 20240229, "20240229"),
        ("night", "", ""),
        ("night", " Last ", "last"),
        ("moment", 20240115.17, "20240115.17"),
        ("moment", "KP.20240115.12345.67", "KP.20240115.12345.67"),
        ("moment", "last", "last"),
        ("moment", "", ""),
        ("targets", "last, 20240101:20240131,a.csv", ["last", "20240101:20240131", "a.csv"]),
        ("list[path]", "/a, /b", ["/a", "/b"]),
        ("version", "v2.9.1-12-gabc", "v2.9.1-12-gabc"),
        ("version", 2.9, "2.9"),
        ("version", "", ""),
        ("path", "/data", "/data"),
    ],
)
def test_good_values_in_their_type(kind: str, value: Any, checked: Any) -> None:
    result = parameter(kind).check(value)
    assert result == checked
    assert type(result) is type(checked)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("str", True, "a text"),
        ("str", None, "a text"),
        ("int", "five", "a whole number"),
        ("int", 5.5, "a whole number"),
        ("int", True, "a whole number"),
        ("int", None, "a whole number"),
        ("int[1, 64]", 0, "from 1 to 64"),
        ("int[1, 64]", 65, "from 1 to 64"),
        ("float", "nan", "a number"),
        ("float", "inf", "a number"),
        ("float", -math.inf, "a number"),
        ("float", 10**400, "a number"),
        ("float[0.5, 1.5]", 2, "from 0.5 to 1.5"),
        ("bool", "perhaps", "true or false"),
        ("bool", 2, "true or false"),
        ("list[str]", 5, "a list of texts"),
        ("list[str]", [None], "a text"),
        ("choice[a, b]", "c", "one of a, b"),
        ("subset[2D, L1]", "2D,L9", "one of 2D, L1"),
        ("night", "20230230", "a valid date"),
        ("night", "2024011", "a valid date"),
        ("night", "latest", "as YYYYMMDD, or last"),
        ("moment", "20240230.1", "a valid date"),
        ("moment", "20240115.123456", "YYYYMMDD.SSSSS"),
        ("moment", "last.1", "YYYYMMDD.SSSSS"),
        ("night", "２０２４０１１５", "a valid date"),
        ("version", "latest", "a version"),
        ("version", "v", "a version"),
    ],
)
def test_bad_values_name_the_parameter_and_what_was_expected(
    kind: str, value: Any, expected: str
) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        parameter(kind).check(value)
    assert caught.value.what.startswith("parameter name: ")
    assert expected in caught.value.what
    assert "what it is" in caught.value.hint


@given(st.sampled_from(sorted(TYPES)), ANYTHING)
def test_a_check_gives_the_right_type_or_a_bad_parameter(kind: str, value: Any) -> None:
    try:
        checked = parameter(kind).check(value)
    except InvalidParameterError:
        return
    assert type(checked) is TYPES[kind]
    assert parameter(kind).check(checked) == checked


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_a_kind_is_written_as_it_is_read(kind: str) -> None:
    assert str(parse_kind(kind)) == kind
    assert parse_kind(kind.replace(" ", "")) == parse_kind(kind)


INCOMPLETE = ["int[5]", "int[1, 2, 3]", "int[a, b]", "float[2, 1]", "choice", "choice[]", "subset"]


@pytest.mark.parametrize("kind", ["strin", "", "list", "list[int]", "str[a]", *INCOMPLETE])
def test_kinds_that_do_not_exist(kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        parse_kind(kind)


CELL = """
# What to look at
start: "night" = "20240115"  # first night; '' = all
percent: "float[0.5, 99.5]" = 50  # at least so much, in %
offset: "int[-5, 5]" = -1
level: "choice[2-D, L1]" = "2-D"  # a level # of data
note: "str" = "a # is = no comment"  # shown as it is
names: "list[str]" = [
    "a",  # the first
    "b",
]  # which
"""


def test_what_a_cell_declares() -> None:
    assert parse_declarations(CELL) == [
        Parameter("start", ParameterKind("night"), "20240115", "first night; '' = all"),
        Parameter("percent", ParameterKind("float", ("0.5", "99.5")), 50, "at least so much, in %"),
        Parameter("offset", ParameterKind("int", ("-5", "5")), -1, ""),
        Parameter("level", ParameterKind("choice", ("2-D", "L1")), "2-D", "a level # of data"),
        Parameter("note", ParameterKind("str"), "a # is = no comment", "shown as it is"),
        Parameter("names", ParameterKind("list[str]"), ["a", "b"], "which"),
    ]


@pytest.mark.parametrize("source", ["", "# only a comment", '"""What they are."""'])
def test_a_cell_that_declares_nothing(source: str) -> None:
    assert parse_declarations(source) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('a: "int" = (', "line 1"),
        ("%matplotlib inline", "line 1"),
        ('\0a: "int" = 1', "null"),
        ("a = 1", "'a = 1' is not a declaration"),
        ("import os", "'import os' is not a declaration"),
        ('a: "int"', "is not a declaration"),
        ('a: "integer" = 1', "a: unknown kind 'integer'"),
        ('a: "int[1]" = 1', "a: kind 'int[1]' is not complete"),
        ('a: "int" = 1 + 1', "a: the default 1 + 1 is not a literal"),
        ('a: "str" = open("x")', "a: the default open('x') is not a literal"),
        ('a: "int" = "one"', "parameter a: must be a whole number"),
        ('a: "night" = "20230230"', "parameter a: must be a valid date"),
        ('a: "int" = 1\na: "int" = 2', "a is declared twice"),
    ],
)
def test_cells_that_are_refused(source: str, message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        parse_declarations(source)
    assert message in caught.value.what


def test_the_declared_parameters_are_those_that_papermill_sees() -> None:
    import nbformat.v4
    from papermill.translators import PythonTranslator

    source = 'start: "night" = "20240115"  # first night\nworkers: "int[1, 64]" = 4  # so many'
    theirs = PythonTranslator.inspect(nbformat.v4.new_code_cell(source))
    assert [(declared.name, declared.help) for declared in parse_declarations(source)] == [
        (declared.name, declared.help) for declared in theirs
    ]


def test_given_values_are_checked_and_the_others_have_their_defaults() -> None:
    assert validate_parameters(parse_declarations(CELL), {"percent": "60", "names": "x"}) == {
        "start": "20240115",
        "percent": 60.0,
        "offset": -1,
        "level": "2-D",
        "note": "a # is = no comment",
        "names": ["x"],
    }


def test_a_misspelt_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidParameterError, match="unknown parameter 'strat'") as caught:
        validate_parameters(parse_declarations(CELL), {"strat": "20240115"})
    assert "did you mean start?" in caught.value.hint
    with pytest.raises(InvalidParameterError) as caught:
        validate_parameters(parse_declarations(CELL), {"zzzzzz": 1})
    assert "did you mean" not in caught.value.hint
    assert "start, percent, offset" in caught.value.hint


def test_check_night_for_others() -> None:
    assert check_night(20240115) == "20240115"
    with pytest.raises(ValueError, match="YYYYMMDD"):
        check_night("20240115.0")


def test_last_is_the_newest_night_in_every_kind_that_has_nights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for night in ("20240101", "20240115"):
        (tmp_path / "L0" / night).mkdir(parents=True)
        (tmp_path / "L0" / night / f"KP.{night}.00001.00.fits").touch()
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    declared = parse_declarations(
        'start: "night" = "last"\nmoment: "moment" = "last"\nother: "str" = "last"\n'
        'targets: "targets" = ["last", "20240101:last", "a.csv"]\nend: "night" = ""'
    )
    values = validate_parameters(declared, {})
    assert resolve_parameters(declared, values) == {
        "start": "20240115",
        "moment": "20240115",
        "other": "last",
        "targets": ["20240115", "20240101:20240115", "a.csv"],
        "end": "",
    }
    assert values["start"] == "last"


def test_without_nights_last_is_an_error_and_a_night_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPFNB_DATA_ROOT", str(tmp_path))
    declared = parse_declarations('start: "night" = "last"')
    with pytest.raises(KpfnbError, match="no night in"):
        resolve_parameters(declared, {"start": "last"})
    assert resolve_parameters(declared, {"start": "20240115"}) == {"start": "20240115"}


def test_parameters_below_the_line_more_are_rarely_changed() -> None:
    declared = parse_declarations(
        'first: "str" = ""  # More\n# a remark\nsecond: "str" = ""\n# More\nthird: "str" = ""'
    )
    assert [parameter.is_rare for parameter in declared] == [False, False, True]
