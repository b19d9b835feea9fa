import os
import time
from datetime import UTC, datetime

import pytest

from kpfnb.demo import tree
from kpfnb.kpf.files.obsid import KPF, ObsID
from kpfnb.kpf.progress import evaluation, night_scan
from kpfnb.kpf.progress.completeness import LevelCount
from kpfnb.kpf.progress.evaluation import ProgressScanner
from kpfnb.kpf.progress.header_index import HeaderIndex

NIGHT = "20240101"
CARDS = dict.fromkeys(KPF.levels, 60)
OLD = datetime(2024, 1, 3, tzinfo=UTC)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def names(root):
    """A night that has not changed for a long time."""
    names = tree.write_tree(root, [NIGHT], 8, cards=CARDS)
    tree.set_mtimes(root, OLD)
    return names


@pytest.fixture
def index(tmp_path):
    with HeaderIndex(tmp_path / "index.sqlite") as index:
        yield index


def night(root, index, *, started=None, fresh=False, version="", junk=frozenset()):
    scanner = ProgressScanner(root, KPF.products, index, started=started or time.time())
    return scanner.assess_night(NIGHT, version=version, junk=junk, fresh=fresh)


@pytest.fixture
def scans(monkeypatch):
    """The calls that scan a full night."""
    calls = []
    real = night_scan.scan_night
    monkeypatch.setattr(night_scan, "scan_night", lambda *a, **k: calls.append(a) or real(*a, **k))
    return calls


def test_a_settled_night_is_scanned_once(root, names, index, scans):
    first = night(root, index)
    second = night(root, index)
    assert len(scans) == 1
    assert second == first
    assert first.counts == {"2D": LevelCount(8, 8), "L1": LevelCount(7, 7), "L2": LevelCount(5, 5)}


def test_missing_levels_come_back_from_the_index(root, names, index, scans):
    ObsID(names[0]).path(root, "L1").unlink()
    ObsID(names[1]).path(root, "2D").write_bytes(b"")
    tree.set_mtimes(root, OLD)
    os.utime(ObsID(names[1]).path(root, "2D"), (OLD.timestamp(),) * 2)
    first = night(root, index)
    assert night(root, index) == first
    assert (len(scans), len(first.missing)) == (1, 2)


def test_odd_files_come_back_from_the_index(root, names, index, scans):
    ObsID(names[0]).path(root, "L0").unlink()
    tree.set_mtimes(root, OLD)
    first = night(root, index)
    assert first.oddities.without_l0[0] == f"{names[0]}_2D.fits"
    assert night(root, index) == first
    assert len(scans) == 1


@pytest.mark.parametrize(
    "options", [{"fresh": True}, {"version": "2.9"}, {"junk": frozenset({"KP.20240101.00000.00"})}]
)
def test_another_question_needs_a_new_scan(root, names, index, scans, options):
    night(root, index)
    night(root, index, **options)
    assert len(scans) == 2


def test_trust_ends(root, names, index, scans):
    scan_start = time.time()
    night(root, index, started=scan_start)
    night(root, index, started=scan_start + evaluation.TRUSTED_SECONDS - 1)
    assert len(scans) == 1
    night(root, index, started=scan_start + evaluation.TRUSTED_SECONDS + 1)
    assert len(scans) == 2


def test_a_file_that_goes_is_seen(root, names, index):
    assert not night(root, index).missing
    ObsID(names[0]).path(root, "L2").unlink()
    assert len(night(root, index).missing) == 1


def test_a_product_that_is_replaced_is_seen(root, names, index):
    night(root, index)
    product = ObsID(names[0]).path(root, "L2")
    product.with_suffix(".part").write_bytes(b"")
    product.with_suffix(".part").rename(product)
    assert len(night(root, index).missing) == 1


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_night_that_changed_recently_is_always_scanned(root, names, index, scans, what):
    product = ObsID(names[0]).path(root, "L2")
    os.utime(product if what == "file" else product.parent)
    night(root, index)
    night(root, index)
    assert len(scans) == 2


def test_a_touched_l0_is_detected(root, names, index):
    night(root, index)
    os.utime(ObsID(names[0]).path(root, "L0"))
    assert len(night(root, index).missing) == 3


def test_a_product_that_we_touched_is_seen(root, names, index):
    raw, product = (ObsID(names[0]).path(root, level) for level in ("L0", "L2"))
    os.utime(product, (raw.stat().st_mtime - 1,) * 2)
    assert len(night(root, index).missing) == 1
    os.utime(product)
    assert len(night(root, index).missing) == 1
    evaluation.mark_touched(index, root, NIGHT)
    assert not night(root, index).missing


def test_a_link_to_nowhere_does_not_hide_a_touch(root, names, index):
    ObsID(names[1]).path(root, "L0").unlink()
    ObsID(names[1]).path(root, "L0").symlink_to("nowhere")
    tree.set_mtimes(root, OLD)
    assert len(night(root, index).missing) == 1
    os.utime(ObsID(names[0]).path(root, "L0"))
    assert len(night(root, index).missing) == 4


def test_a_folder_that_could_not_be_listed_is_not_remembered(
    root, names, index, scans, monkeypatch
):
    real = os.scandir

    def scandir(path):
        if "L1" in str(path):
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(night(root, index).missing) == 7
    monkeypatch.setattr(os, "scandir", real)
    assert not night(root, index).missing


def test_the_newest_tag(root, names, index):
    tree.write_tree(root, [NIGHT], 1, cards=CARDS, version="v2.10")
    assert ProgressScanner(root, KPF.products, index).newest_tag(NIGHT) == "v2.10"
    assert ProgressScanner(root, KPF.products, index).newest_tag("20240102") == ""
