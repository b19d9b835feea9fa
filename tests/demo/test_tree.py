from collections import Counter

import pytest

from kpfnb.core.fits import headers
from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID


def test_the_headers_are_as_large_as_real_ones_and_valid(tmp_path):
    from astropy.io import fits

    name = tree.write_tree(tmp_path, ["20240101"], 8)[0]
    for level, cards in tree.CARD_COUNTS.items():
        path = ObsID(name).path(tmp_path, level)
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header = hdus[0].header
        assert len(header) + 1 == cards
        assert header["OFNAME"] == f"{name}.fits"
        asked = ["IMTYPE", "GREEN", "DRPTAG"]
        assert headers.read_header(path, asked) == {
            key: header[key] for key in asked if key in header
        }
        assert path.stat().st_size % 2880 == 0


def test_products_are_those_of_the_kind_and_each_is_later_than_the_one_before(tmp_path):
    names = tree.write_tree(tmp_path, tree.consecutive_nights("20231231", 2), 8)
    files = [path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.fits")]
    one_night = {"L0": 8, "2D": 8, "L1": 7, "L2": 5}
    assert Counter(files) == {
        (level, night): number
        for level, number in one_night.items()
        for night in ("20231231", "20240101")
    }
    times = [ObsID(names[0]).path(tmp_path, level).stat().st_mtime for level in KPF.levels]
    assert times == sorted(set(times))


@pytest.mark.parametrize("linked", [False, True])
def test_the_same_call_makes_the_same_tree(tmp_path, linked):
    for copy in ("a", "b"):
        tree.write_tree(tmp_path / copy, ["20240101"], 16, linked=linked)
    for path in (tmp_path / "a").rglob("*.fits"):
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == twin.read_bytes()
        assert path.stat().st_mtime_ns == twin.stat().st_mtime_ns
