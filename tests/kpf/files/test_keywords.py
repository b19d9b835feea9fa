"""The catalogue of keywords, by itself and against the headers of real L1 files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.drp import parse_version
from kpfnb.kpf.files.keywords import (
    NEVER,
    UNKNOWN,
    describe_since,
    describe_unknown,
    expand_family,
    find_keyword,
    is_known,
    is_structural,
    list_keywords,
    read_catalogue,
    suggest_keyword,
    was_written,
)
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.files.quality_flags import read_quality_flags
from tests.keyword_kinds import fits_kind

KINDS = {"int", "float", "text", "time", "flag", "switch", "hst-time"}
SPECTRA = "all|Bias|Dark|Flat|Wide Flat|LFC|Etalon|ThAr|UNe|Sun|Star"


def test_every_line_is_complete():
    for keyword in read_catalogue():
        assert keyword.kind in KINDS, keyword
        assert keyword.levels and {*keyword.levels} <= {"L0", "2D", "L1", "L2", "master"}, keyword
        assert keyword.description and not keyword.description[0].islower(), keyword
        assert keyword.description.isascii() and keyword.unit.isascii(), keyword
        for version in (keyword.since.removeprefix(UNKNOWN), keyword.until):
            assert version in ("", NEVER) or parse_version(version), keyword


def test_a_keyword_stands_once_in_an_extension():
    count = Counter(
        (name, keyword.extension) for keyword in read_catalogue() for name in keyword.members()
    )
    assert [key for key, number in count.items() if number > 1] == []


def test_names_are_valid_in_fits():
    for keyword in read_catalogue():
        if keyword.extension != keywords.TELEMETRY:
            for name in keyword.members():
                assert re.fullmatch(r"[A-Z0-9_-]{1,8}", name), name


def test_a_keyword_of_the_primary_header_has_one_kind_in_all_extensions():
    kinds: dict[str, set[str]] = {}
    for keyword in read_catalogue():
        if keyword.extension != "RV":
            kinds.setdefault(keyword.name, set()).add(keyword.kind)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


def test_members_of_a_family_are_found():
    family = find_keyword("STDWGS07")
    assert family is not None and family.name == "STDWGS[00-34]"
    assert family.members()[0] == "STDWGS00" and len(family.members()) == 35
    assert find_keyword("STDWGS35") is None
    assert find_keyword("STDWGS07", "2D") is None


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 4))
def test_a_family_has_all_numbers_of_its_range(low: int, high: int, digits: int):
    family = expand_family(f"KEY[{low:0{digits}d}-{high:0{digits}d}]")
    assert [int(name.removeprefix("KEY")) for name in family] == [*range(low, high + 1)]


@settings(max_examples=20)
@given(st.text(max_size=20), st.sampled_from(["", *KPF.levels]), st.text(max_size=20))
def test_any_text_may_be_asked_for(name: str, level: str, tag: str):
    assert was_written(name, level, tag) in (True, False, None)
    assert isinstance(suggest_keyword(name), str)
    assert expand_family(name)


def test_an_extension_is_asked_for():
    assert find_keyword("kpfgreen.STA_CCD_T") is None
    telemetry = find_keyword("kpfgreen.STA_CCD_T", "L0", "TELEMETRY")
    assert telemetry is not None and telemetry.unit == "degC"
    assert find_keyword("NFRAMES", "master", "") is not None
    assert [keyword.name for keyword in list_keywords("L2", "GREEN_CCF")][:2] == [
        "STARTSEG",
        "STARTV",
    ]


@pytest.mark.parametrize("name", ["AIRMASS", "kpfred.STA_CCD_T", "NAXIS2", "TTYPE14", "INFL0"])
def test_known_names(name: str):
    assert is_known(name)


@pytest.mark.parametrize("name", ["GRCCDTMP", "airmass", "NAXISX", "STDWGS[00-34]", "", "PHOMID"])
def test_unknown_names(name: str):
    assert not is_known(name)


def test_keywords_of_the_standard_are_no_data():
    assert is_structural("CHECKSUM") and not is_structural("AIRMASS")


def test_a_misspelt_name_is_suggested():
    assert suggest_keyword("AIRMAS") == "did you mean AIRMASS?"
    assert suggest_keyword("kpfgreen.STACCD_T") == "did you mean kpfgreen.STA_CCD_T?"
    assert suggest_keyword("QQQQQQQQ") == ""


def test_an_unknown_name_is_said_to_be_unknown():
    assert describe_unknown("AIRMAS") == "no known keyword of KPF; did you mean AIRMASS?"
    assert describe_unknown("QQQQQQQQ") == "no known keyword of KPF"
    assert describe_unknown("AIRMASS") == ""


@pytest.mark.parametrize(
    ("name", "level", "tag", "written"),
    [
        ("NOTJUNK", "L1", "v2.8.1", True),
        ("WLSL1", "L1", "v2.8.2", False),
        ("WLSL1", "L1", "v2.9.0", True),
        ("WLSL1", "2D", "v2.9.0", False),  # the step that makes the L1 sets it
        ("GOODREAD", "2D", "v2.8.2", False),  # defined in v2.8.0, but its function failed
        ("OLDTRAC", "L1", "v2.10.0", False),  # that version wrote it over TRACFILE
        ("EXTMETHS", "L1", "v2.12.0rc1", True),
        ("NANL1OK", "L1", "v2.12.1", False),  # documented; the code writes another name
        ("NANL1OK", "L1", "v2.13.0", None),
        ("NOTJUNK", "L0", "", False),  # raw files have no flags
        ("AIRMASS", "L0", "", True),  # the instrument writes it
        ("WAVEBNS", "L0", "", None),  # not in all real files
        ("RNGREEN1", "2D", "v2.9.1", None),  # not by the recipe of the masters
        ("RNGREEN1", "2D", "v2.12.0", True),
        ("WLSL1", "L1", "", None),
        ("WLSL1", "L1", "main", None),
        ("GRCCDTMP", "L1", "v2.9.0", None),
        ("STDWGS12", "L1", "v2.9.0", True),
    ],
)
def test_what_a_version_writes(name: str, level: str, tag: str, written: bool | None):
    assert was_written(name, level, tag) is written


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NOTJUNK", ""),
        ("WLSL1", "v2.9.0"),
        ("WAVEBNS", "not in all files"),
        ("RNGREEN1", "v2.12.0rc1; some files of earlier versions"),
        ("NANL1OK", "no version up to v2.12.1"),
    ],
)
def test_the_first_version_in_words(name: str, words: str):
    keyword = find_keyword(name)
    assert keyword is not None and describe_since(keyword) == words


def test_every_flag_is_in_the_catalogue():
    for flag in read_quality_flags().values():
        keyword = find_keyword(flag.name)
        assert keyword is not None and keyword.kind == "flag", flag
        assert keyword.levels[0] == {"L0": "2D"}.get(flag.level, flag.level), flag
        assert all(re.fullmatch(SPECTRA, spectrum) for spectrum in flag.spectra), flag


def test_a_flag_applies_to_its_kinds_of_exposure():
    flags = read_quality_flags()
    assert flags["LFCSAT"].applies_to("LFC") and not flags["LFCSAT"].applies_to("Star")
    assert flags["NOTJUNK"].applies_to("anything")
    assert flags["OLDBIAS"].applies_to("Wide Flat") and not flags["OLDBIAS"].applies_to("Bias")


@pytest.mark.real
def test_all_keywords_of_real_headers_are_known(real_l1: dict[str, Path]):
    unknown = set()
    for path in real_l1.values():
        with fits.open(path) as hdus:
            for hdu in hdus:
                for name in {*hdu.header} - {""}:
                    extension = hdu.name or "PRIMARY"
                    if not is_structural(name) and not find_keyword(name, "L1", extension):
                        unknown.add((extension, name))
    assert unknown == set()


@pytest.mark.real
def test_values_of_real_headers_are_of_the_kind(real_l1: dict[str, Path]):
    wrong = []
    for path in real_l1.values():
        for card in fits.getheader(path).cards:
            keyword = find_keyword(card.keyword)
            if keyword and card.value != "" and not fits_kind(card.value, keyword.kind):
                wrong.append((card.keyword, card.value, keyword.kind))
    assert wrong == []


@pytest.mark.real
def test_real_headers_have_what_their_version_writes(real_l1: dict[str, Path]):
    """Of the keywords of the L1 step; those of the 2D come from the frames of a master."""
    spectra = {flag.name: flag for flag in read_quality_flags().values()}
    for path in real_l1.values():
        header = fits.getheader(path)
        for keyword in list_keywords("L1", "PRIMARY"):
            name = keyword.members()[0]
            written = was_written(name, "L1", header["DRPTAG"])
            assert not (name in header and written is False), keyword
            if keyword.levels[0] == "L1" and written and name not in header:
                assert name in spectra and not spectra[name].applies_to("Flat"), keyword


@pytest.mark.real
def test_flags_of_real_headers_are_those_of_their_version(real_l1: dict[str, Path]):
    """The real files are flats of v2.8.1 and v2.8.2."""
    for path in real_l1.values():
        header = fits.getheader(path)
        for flag in read_quality_flags().values():
            written = was_written(flag.name, "L1", header["DRPTAG"])
            if flag.name in header:
                assert written is True, flag
            else:
                assert not (written and flag.applies_to("Flat")), flag
