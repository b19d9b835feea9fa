from datetime import UTC, datetime, timedelta

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from kpfnb.demo import header_layout
from kpfnb.demo.header_layout import arrange_header, format_hawaii_time, kpf_era, make_card
from kpfnb.kpf.files.keywords import is_known

BEGIN = datetime(2024, 2, 11, 0, 0, 48, 686141, tzinfo=UTC)
LAYOUT = " ".join((
    header_layout.ASSEMBLY, header_layout.EXPOSURE_BEGIN, header_layout.EXPOSURE_MIDDLE,
    header_layout.EXPOSURE_END, header_layout.FILES, header_layout.DETECTORS,
)).split()  # fmt: skip

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=67)


@given(st.sampled_from(LAYOUT), TEXTS | st.floats(allow_nan=False, allow_infinity=False))
def test_a_card_keeps_its_value_and_cuts_its_comment(keyword: str, value: str | float) -> None:
    # Warnings are errors: a comment that is too long would be one
    card = fits.Card(*make_card(keyword, value))
    assert len(str(card)) % 80 == 0
    read = fits.Card.fromstring(str(card)).value
    # astropy writes at most 20 characters of a number
    assert read == (value.rstrip() if isinstance(value, str) else pytest.approx(value, rel=1e-12))


def test_every_keyword_of_the_layout_is_a_real_one() -> None:
    assert [name for name in LAYOUT if not is_known(name)] == []


def test_keywords_without_a_value_are_left_out_and_twice_means_twice() -> None:
    header = arrange_header({"OCTAGON": "Home", "FAVER": "0"}, BEGIN, BEGIN + timedelta(seconds=30))
    assert [name for name in header if name != "COMMENT"] == ["FAVER", "OCTAGON", "OCTAGON"]
    assert "Snapshot timestamp: 2024-02-11T00:01:03.686141Z" in list(header["COMMENT"])


def test_times_of_lamps_are_in_hawaii() -> None:
    """As in the real L1 KP.20240211.00048.69: THDAYON and UAUON."""
    on = datetime(2024, 2, 10, 17, 0, 9, tzinfo=UTC)
    assert format_hawaii_time(on) == "20240210T07:00:09 HST"
    assert format_hawaii_time(None) == "19691231T14:00:00 HST"


@pytest.mark.parametrize(
    ("date", "era"),
    [("2020-01-01", 0.5), ("2024-01-15", 1.0), ("2024-02-10", 1.5), ("2025-12-01", 4.0)],
)
def test_eras_are_those_of_the_documentation(date: str, era: float) -> None:
    assert kpf_era(datetime.fromisoformat(f"{date}T12:00:00+00:00")) == era
