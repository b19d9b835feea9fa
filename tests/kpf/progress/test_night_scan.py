import gzip
import os

import numpy as np
import pytest
from astropy.io import fits

from kpfnb.core.fits import headers
from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import night_scan
from kpfnb.kpf.progress.header_index import HeaderIndex

NIGHT = "20240101"
CARDS = dict.fromkeys(KPF.levels, 60)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def names(root):
    return tree.write_tree(root, [NIGHT], 8, cards=CARDS)


def scan(root, *, index=None, tags=False):
    places = night_scan.level_dirs(root, NIGHT, KPF.products)
    return night_scan.scan_night(places, NIGHT, index=index or HeaderIndex(None), tags=tags)


def test_the_facts_of_an_l0(root, names):
    inventory = scan(root).raws
    facts = [
        (bool(inventory[name].cameras), inventory[name].imtype, inventory[name].problem)
        for name in names
    ]
    assert facts == [(type_.cameras == "YES", type_.imtype, "") for type_ in tree.TREE_KINDS]


def test_tags_are_read_only_when_asked_for(root, names):
    assert {product.facts.tag for product in scan(root).products["2D"].values()} == {""}
    assert {product.facts.tag for product in scan(root, tags=True).products["2D"].values()} == {
        tree.DEFAULT_VERSION
    }


def test_strays_are_passed_over(root, names):
    raw = root / "L0" / NIGHT
    for name in (
        f"KP.{NIGHT}.00000.00-1.fits",
        f".KP.{NIGHT}.00000.00.fits.Ab12Cd",
        "KP.20240102.00001.00.fits",
        f"KP.{NIGHT}.00001.00_2D.fits",
        "notes.txt",
    ):
        (raw / name).write_text("stray")
    (raw / "abcdefgh").mkdir()
    assert set(scan(root).raws) == set(names)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"SIMPLE  =" + b" " * 2871, "cut short at 2880 bytes"),
        (b"SIMPLE  =" + b" " * 9000, "cut short at 9009 bytes"),
        (b"\0" * 5760, "not FITS"),
        (b"hello" * 1152, "not FITS"),
        (gzip.compress(b"SIMPLE  =", mtime=0).ljust(5760), "not FITS"),
    ],
)
def test_an_incomplete_product(root, names, content, problem):
    ObsID(names[0]).path(root, "L1").write_bytes(content)
    assert scan(root).products["L1"][names[0]].problem == problem


def test_a_header_without_end_is_met_when_it_is_read(root, names):
    path = ObsID(names[0]).path(root, "L1")
    path.write_bytes(path.read_bytes()[:80] * 72)
    assert scan(root).products["L1"][names[0]].problem == ""
    assert scan(root, tags=True).products["L1"][names[0]].problem == "truncated"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"no FITS at all", "not FITS"), (b"SIMPLE  =" + b" " * 999, "truncated")],
)
def test_an_l0_that_cannot_be_read(root, names, content, problem):
    ObsID(names[0]).path(root, "L0").write_bytes(content)
    assert scan(root).raws[names[0]].problem == problem


def test_a_gzipped_l0_is_read(root, names):
    path = ObsID(names[0]).path(root, "L0")
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert scan(root).raws[names[0]].imtype == "Object"


@pytest.mark.parametrize("level", ["L0", "L1"])
def test_something_else_in_place_of_a_file(root, names, level):
    path = ObsID(names[0]).path(root, level)

    def problem():
        inventory = scan(root)
        return (inventory.raws if level == "L0" else inventory.products[level])[names[0]].problem

    path.unlink()
    path.mkdir()
    assert problem() == "not a file"
    path.rmdir()
    path.symlink_to("nowhere")
    assert problem() == "No such file or directory"


def test_a_file_that_vanishes_or_is_refused_while_it_is_read(root, names, monkeypatch):
    refused = headers.InvalidHeaderError(
        "x", headers.HeaderErrorKind.UNREADABLE, "Permission denied"
    )

    def read(path, keywords):
        raise refused

    monkeypatch.setattr(headers, "read_header", read)
    assert {raw.problem for raw in scan(root).raws.values()} == {"unreadable"}


def test_a_folder_that_cannot_be_listed_is_reported(root, names, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith(f"L1/{NIGHT}"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    inventory = scan(root)
    assert "can't list" in inventory.notes[0]
    assert inventory.products["L1"] == {}
    assert len(inventory.products["2D"]) == 8


def test_no_folder_is_an_empty_night(root):
    inventory = scan(root)
    assert (inventory.raws, inventory.notes, inventory.newest_ns) == ({}, (), 0)


def test_the_second_scan_reads_no_headers(root, names, tmp_path, monkeypatch):
    with HeaderIndex(tmp_path / "index.sqlite") as index:
        first = scan(root, index=index, tags=True)
        monkeypatch.setattr(headers, "read_header", None)
        monkeypatch.setattr(headers, "iterate_hdus", None)
        monkeypatch.setattr(night_scan, "check_fits_magic", None)
        assert scan(root, index=index, tags=True) == first
        assert {p.facts.tag for p in scan(root, index=index).products["2D"].values()} == {
            tree.DEFAULT_VERSION
        }


@pytest.mark.parametrize("change", ["time", "size"])
def test_what_changed_is_read_again(root, names, tmp_path, change):
    path = ObsID(names[0]).path(root, "L0")
    with HeaderIndex(tmp_path / "index.sqlite") as index:
        scan(root, index=index)
        before = path.stat()
        text = path.read_bytes().replace(b"'Object  '", b"'Bias    '")
        path.write_bytes(text + (b" " * 2880 if change == "size" else b""))
        later = before.st_mtime_ns + (change == "time")
        os.utime(path, ns=(later, later))
        assert scan(root, index=index).raws[names[0]].imtype == "Bias"


def test_what_could_not_be_read_is_tried_again(root, names, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "a disk error")

    with HeaderIndex(tmp_path / "index.sqlite") as index:
        monkeypatch.setattr(headers, "read_header", fail)
        scan(root, index=index)
        monkeypatch.undo()
        assert {raw.problem for raw in scan(root, index=index).raws.values()} == {""}


def test_files_that_are_gone_are_forgotten(root, names, tmp_path):
    folder = root / "L0" / NIGHT
    with HeaderIndex(tmp_path / "index.sqlite") as index:
        scan(root, index=index)
        ObsID(names[0]).path(root, "L0").unlink()
        scan(root, index=index)
        assert len(index.known_files(folder)) == 7


def test_files_of_another_night_or_level_are_named(root, names):
    raw = root / "L0" / NIGHT
    stray = "KP.20240102.00001.00"
    for name in (f"{stray}.fits", f"{names[0]}_2D.fits", "KP.20240101.86400.00.fits"):
        (raw / name).write_text("stray")
    assert scan(root).oddities.misplaced == (
        f"L0/{NIGHT}/{names[0]}_2D.fits",
        f"L0/{NIGHT}/{stray}.fits",
    )


def test_products_without_an_l0_are_named(root, names):
    ObsID(names[1]).path(root, "L0").unlink()
    inventory = scan(root)
    assert names[1] not in inventory.products["2D"]
    assert inventory.oddities.without_l0 == (f"{names[1]}_2D.fits", f"{names[1]}_L1.fits")


@pytest.mark.parametrize("cards", [{}, {"RED": "NO", "CA_HK": "NO"}, {"GREEN": "", "RED": "NO"}])
def test_an_l0_without_keywords_of_cameras_is_judged_by_its_extensions(root, cards):
    obsid = ObsID(f"KP.{NIGHT}.00001.00")
    path = obsid.path(root, "L0")
    path.parent.mkdir(parents=True)
    primary = fits.PrimaryHDU()
    primary.header.update(cards, IMTYPE="Object")
    amplifiers = [fits.ImageHDU(np.zeros((2, 2)), name=f"GREEN_AMP{n}") for n in (1, 2)]
    fits.HDUList([primary, *amplifiers]).writeto(path)
    inventory = scan(root)
    assert inventory.raws[obsid.text].cameras == ("GREEN",)
    assert inventory.oddities.by_extensions == (obsid.text,)


def test_a_logical_camera_keyword_counts(root):
    obsid = ObsID(f"KP.{NIGHT}.00001.00")
    path = obsid.path(root, "L0")
    path.parent.mkdir(parents=True)
    primary = fits.PrimaryHDU()
    primary.header.update(GREEN=True, RED=False, CA_HK=False)
    primary.header.update(IMTYPE="Object", KPFERA=1.0, THRSBIN="All")
    fits.HDUList([primary]).writeto(path)
    inventory = scan(root)
    assert inventory.raws[obsid.text].cameras == ("GREEN",)
    assert inventory.oddities.by_extensions == ()
