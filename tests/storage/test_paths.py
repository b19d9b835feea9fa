from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.core.errors import InvalidInputError
from kpfnb.storage import paths


@pytest.mark.parametrize(
    "path",
    [
        "041615B1/1200G_8800_OG550/2015-10-16",
        "SDSSJ0100+2802/RED_C1_og530_ech-0.819_xd1.62_1x2/2015-12-14_2015-12-15",
        "spec1d_b27-J1217p3905_KASTb_20150520T045733.560.fits",
        "-rf",
        ".hidden",
        "...",
    ],
)
def test_names_of_the_field_are_allowed(path: str) -> None:
    assert paths.check_path(path) == path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a b", "' '"),
        ("a;b", "';'"),
        ("a\nb", r"'\\n'"),
        ("$(x)", r"'\$'"),
        ("b\\c", r"'\\\\'"),
        ("x\u202egnp", r"'\\u202e'"),
        ("a:b", "':'"),
        ("\x1b[31m", r"'\\x1b'"),
        ("*", r"'\*'"),
        ("../x", r"'\.\.'"),
        ("a/./b", r"'\.'"),
        ("/etc/passwd", "''"),
        ("a//b", "''"),
        ("", "''"),
        ("n" * 256, "255"),
        ("n/" * 600 + "n", "1000"),
    ],
)
def test_the_error_names_the_character(path: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        paths.check_path(path)


@given(st.text())
def test_allowed_names_are_safe_anywhere(text: str) -> None:
    harmless = set(string.ascii_letters + string.digits + "._-+=@,~()/")
    if not paths.invalid_path_reason(text):
        assert set(text) <= harmless
        assert not {"", ".", ".."} & set(text.split("/"))


@pytest.mark.parametrize(
    ("path", "temporary"),
    [
        ("a/.kpfnb-x.fits", True),
        (".kpfnb-y", True),
        ("a/spec.fits.0123abcd.partial", True),
        ("a/partial", False),
        ("a.kpfnb-x.fits", False),
        ("spec.partial", False),
    ],
)
def test_files_of_killed_writers_are_temporary(path: str, temporary: bool) -> None:
    assert paths.is_temporary(path) is temporary
