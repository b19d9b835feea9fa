import gzip
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from kpfnb.adap.prepare import header_fixes
from kpfnb.core import atomic
from kpfnb.core.errors import InvalidInputError
from kpfnb.core.fits import headers
from kpfnb.core.result import Outcome

LIST = """
folder: raw
files:
  a.fits: {RA: 189.1420833333333, DEC: 62.276805555555555, TARGNAME: goods1new}
  b.fits.gz: {RA: 57.99999999999999}
"""


@pytest.fixture
def raw(tmp_path):
    """Two frames of 16-bit integers with a scale and an extension, one gzipped."""
    pixels = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
    hdus = fits.HDUList([fits.PrimaryHDU(pixels), fits.ImageHDU(pixels[:3])])
    hdus[0].header["DEC"] = "12:00:00"
    (tmp_path / "raw").mkdir()
    for name in ("a.fits", "b.fits.gz"):
        hdus.writeto(tmp_path / "raw" / name)
    atomic.write_text(tmp_path / "fixes.yml", LIST)
    return tmp_path / "raw"


def fix(raw, **options):
    return header_fixes.fix_headers(raw.parent / "fixes.yml", progress=False, **options)


def test_headers_are_fixed_and_the_originals_kept(raw):
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    result = fix(raw)
    assert result.outcome is Outcome.SUCCEEDED and "2 of 2 headers fixed" in result.reason
    assert {p.name: p.read_bytes() for p in (raw / "originals").iterdir()} == before
    with fits.open(raw / "a.fits") as hdus:
        assert hdus[0].header["RA"] == 189.1420833333333
        assert hdus[0].header["TARGNAME"] == "goods1new"
        comment = "".join(hdus[0].header["COMMENT"])
        assert f"Edited {datetime.now(UTC).date().isoformat()} by kpfnb" in comment
        assert "RA was missing, DEC was 12:00:00, TARGNAME was missing" in comment
        assert np.array_equal(hdus[0].data, np.arange(60_000, dtype=np.uint16).reshape(200, 300))
        assert len(hdus) == 2
    # The data's bytes are as they were
    plain = gzip.decompress((raw / "b.fits.gz").read_bytes())
    assert plain.endswith(gzip.decompress(before["b.fits.gz"])[2880:])


def test_run_twice_it_changes_nothing(raw):
    fix(raw)
    before = {path: path.read_bytes() for path in raw.rglob("*.fits*")}
    again = fix(raw)
    assert again.reason == "nothing to do: 2 headers already correct"
    assert {path: path.read_bytes() for path in raw.rglob("*.fits*")} == before


def test_a_later_fix_keeps_the_first_original(raw):
    before = (raw / "a.fits").read_bytes()
    fix(raw)
    atomic.write_text(raw.parent / "fixes.yml", LIST.replace("goods1new", "other"))
    assert "1 of 2 headers fixed" in fix(raw).reason
    assert (raw / "originals/a.fits").read_bytes() == before


def test_a_dry_run_changes_nothing(raw):
    before = {path: path.read_bytes() for path in raw.rglob("*")}
    result = fix(raw, dry_run=True)
    assert "2 of 2 headers would be fixed" in result.reason
    assert "RA: 189.1420833333333 (was missing)" in result.file_results[0].changes
    assert {path: path.read_bytes() for path in raw.rglob("*")} == before


def test_a_file_that_is_not_there_does_not_stop_the_others(raw):
    (raw / "a.fits").unlink()
    result = fix(raw)
    assert result.outcome is Outcome.PARTIAL
    assert "a.fits: missing" in result.reason and result.file_results[1].changes


def test_a_killed_run_is_continued(raw):
    # Killed after the original was kept
    header_fixes._keep_original(raw / "a.fits")
    assert "2 of 2 headers fixed" in fix(raw).reason


def test_a_link_is_replaced_and_what_it_leads_to_is_untouched(raw, tmp_path):
    (raw / "a.fits").rename(tmp_path / "real.fits")
    before = (tmp_path / "real.fits").read_bytes()
    (raw / "a.fits").symlink_to(tmp_path / "real.fits")
    fix(raw)
    assert (tmp_path / "real.fits").read_bytes() == before
    assert headers.read_header(raw / "a.fits", ["RA"]) == {"RA": 189.1420833333333}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("files: {a.fits: {NAXIS1: 5}}", "'NAXIS1' can't be set"),
        ("files: {a.fits: {TOOLONGKEY: 5}}", "not a FITS keyword"),
        ("files: {a.fits: {RA: [1]}}", r"line 1: files\.a\.fits\.RA: must be a number"),
        ("files: {a.fits: {RA: .nan}}", "finite"),
        ("files: {a.fits: {OBJECT: Ångström}}", "ASCII"),
        ("files: {a.fits: {}}", "at least 1"),
        ("file: {}", "did you mean files"),
        ("files:\n  a.fits: {RA: 1}\n  a.fits: {RA: 2}", "line 3: 'a.fits' is repeated"),
    ],
)
def test_a_wrong_list_is_rejected_before_any_work(raw, text, message):
    atomic.write_text(raw.parent / "fixes.yml", text)
    with pytest.raises(InvalidInputError, match=message):
        fix(raw)
    assert not (raw / "originals").exists()


@settings(max_examples=40)
@given(st.floats(-1e300, 1e300), st.integers(-(2**40), 2**40))
def test_a_number_that_was_written_is_known_again(number, whole):
    card = fits.Card.fromstring(str(fits.Card("A", number)))
    assert header_fixes._is_equal(card.value, number)
    assert header_fixes._is_equal(whole, whole) and not header_fixes._is_equal(whole, whole + 1)
    assert not header_fixes._is_equal(True, 1)
