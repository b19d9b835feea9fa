"""The tree of real KPF files: where they come from, and that nothing is overwritten."""

from __future__ import annotations

import lzma

import pytest

from kpfnb.core.errors import InvalidInputError, InvalidSettingsError, ServiceUnavailableError
from kpfnb.core.fits.headers import read_header
from kpfnb.demo import real

OBSID = "KP.20240211.00048.69"


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setattr(real, "_find_in_package", dict)
    monkeypatch.delenv(real.PACK_VARIABLE, raising=False)


@pytest.fixture
def pack(tmp_path, no_package, monkeypatch):
    """A pack of one file, which stands for a real one."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / f"{OBSID}_L1.fits.xz").write_bytes(lzma.compress(b"content" * 1000))
    monkeypatch.setenv(real.PACK_VARIABLE, str(folder))
    return folder


@pytest.mark.real
def test_the_real_files_carry_the_obsids_that_they_get(real_l1):
    for obsid, path in real_l1.items():
        assert path.name == f"{obsid}_L1.fits"
        assert read_header(path, ["OFNAME"]) == {"OFNAME": f"{obsid}.fits"}


@pytest.mark.real
def test_a_second_call_changes_nothing(real_l1, tmp_path):
    first = real.copy_real_files(tmp_path)
    assert first.created == set(first.paths) == set(real_l1)
    times = {path: path.stat().st_mtime_ns for path in first.paths.values()}
    second = real.copy_real_files(tmp_path)
    assert second.created == frozenset()
    assert {path: path.stat().st_mtime_ns for path in second.paths.values()} == times
    assert not any(path.is_symlink() for path in second.paths.values())


def test_without_package_and_pack_the_error_says_how_to_get_them(no_package, tmp_path):
    with pytest.raises(ServiceUnavailableError, match=r"pip install .*rv-data-standard==") as error:
        real.copy_real_files(tmp_path)
    assert real.PACK_VARIABLE in error.value.hint


def test_a_packed_file_is_unpacked(pack, tmp_path):
    tree = real.copy_real_files(tmp_path / "data")
    path = tmp_path / f"data/L1/20240211/{OBSID}_L1.fits"
    assert dict(tree.paths) == {OBSID: path}
    assert path.read_bytes() == b"content" * 1000
    assert not real.copy_real_files(tmp_path / "data").created


def test_another_file_of_that_name_is_kept(pack, tmp_path):
    path = tmp_path / f"L1/20240211/{OBSID}_L1.fits"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(InvalidInputError, match="not the real file"):
        real.copy_real_files(tmp_path)
    assert path.read_bytes() == b"mine"


def test_a_pack_without_real_files_is_an_error(pack, tmp_path):
    (pack / f"{OBSID}_L1.fits.xz").unlink()
    with pytest.raises(InvalidSettingsError, match="no real KPF files"):
        real.copy_real_files(tmp_path)


def test_a_broken_link_is_replaced(pack, tmp_path):
    path = tmp_path / f"L1/20240211/{OBSID}_L1.fits"
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "gone")
    assert real.copy_real_files(tmp_path, linked=True).created == {OBSID}
    assert path.read_bytes() == b"content" * 1000
